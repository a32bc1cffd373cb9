//! Keeps a worker within what it may take of its machine.
//!
//! While it takes more CPU time or memory than it may, users are shed: a tenth of those that
//! are left each second, and a tenth of the arrivals; as soon as it is well below, they come back
//! slowly. Pure: it is told what is taken, and says what is allowed. Each second in which
//! load is shed counts as a cap by the setting's name.

/// Of users and arrivals, in thousandths: all of them.
pub const ALL: u32 = 1000;

/// Kept of what is left, each second above a ceiling.
const FALL: f64 = 0.9;
/// Thousandths that come back each second below the ceilings.
const RISE: u32 = 20;
/// Users come back once no more than this share of each ceiling is taken.
const CALM: f64 = 0.9;

/// What a worker may take.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ceilings {
    /// Of the CPU time of all shards, 0 to 1.
    pub cpu: Option<f64>,
    /// Bytes that are resident.
    pub memory: Option<u64>,
}

/// How much of its load a worker makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Governor {
    ceilings: Ceilings,
    allowed: u32,
    /// The ceiling that was met last.
    met: &'static str,
}

impl Governor {
    /// All of it, so far.
    pub fn new(ceilings: Ceilings) -> Self {
        Self { ceilings, allowed: ALL, met: "" }
    }

    /// What is allowed from now on, in thousandths, given what was taken in the last second; and the
    /// ceiling that keeps it below [`ALL`].
    pub fn look(&mut self, cpu: f64, memory: u64) -> (u32, Option<&'static str>) {
        let over_memory = self.ceilings.memory.is_some_and(|most| memory > most);
        let over_cpu = self.ceilings.cpu.is_some_and(|most| cpu > most);
        if over_memory || over_cpu {
            self.met = if over_memory { "memory_limit" } else { "cpu_limit" };
            self.allowed = (f64::from(self.allowed) * FALL) as u32;
        } else if self.is_calm(cpu, memory) {
            self.allowed = (self.allowed + RISE).min(ALL);
        }
        (self.allowed, (self.allowed < ALL).then_some(self.met))
    }

    fn is_calm(&self, cpu: f64, memory: u64) -> bool {
        self.ceilings.memory.is_none_or(|most| memory as f64 <= most as f64 * CALM)
            && self.ceilings.cpu.is_none_or(|most| cpu <= most * CALM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_ceilings_nothing_is_shed() {
        let mut governor = Governor::new(Ceilings::default());
        assert_eq!(governor.look(1.0, u64::MAX), (ALL, None));
    }

    #[test]
    fn load_is_shed_while_too_much_is_taken_and_comes_back_slowly() {
        let mut governor = Governor::new(Ceilings { cpu: Some(0.8), memory: Some(1000) });
        assert_eq!(governor.look(0.8, 1000), (1000, None));
        assert_eq!(governor.look(0.81, 10), (900, Some("cpu_limit")));
        assert_eq!(governor.look(0.81, 1001), (810, Some("memory_limit")));
        assert_eq!(governor.look(0.8, 10), (810, Some("memory_limit")), "not calm yet");
        assert_eq!(governor.look(0.1, 950), (810, Some("memory_limit")), "not calm yet");
        let back = (1..).find(|_| governor.look(0.5, 100).1.is_none());
        assert_eq!(back, Some(10));
    }

    #[test]
    fn what_never_gets_better_ends_without_load() {
        let mut governor = Governor::new(Ceilings { cpu: None, memory: Some(1) });
        let last = (0..100).map(|_| governor.look(0.0, 2).0).last();
        assert_eq!(last, Some(0));
    }
}
