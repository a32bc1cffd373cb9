//! The cap on memory, all memories and tables of a store summed: wasmtime's own limits each
//! of them alone.

use wasmtime::ResourceLimiter;

const NONE: [(&str, u64); 2] = [("memory_bytes", 0), ("table_elements", 0)];

/// Refuses growth beyond the caps, and remembers that it did.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    used: usize,
    cap: usize,
    table_cap: usize,
    refused: Option<&'static str>,
    refusals: [(&'static str, u64); 2],
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &loadhost_model::plan::Limits) -> Self {
        Self {
            used: 0,
            cap: usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX),
            table_cap: limits.table_elements as usize,
            refused: None,
            refusals: NONE,
        }
    }

    /// Bytes of all memories.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// The cap that refused a growth since this was last asked.
    pub(crate) fn take_refused(&mut self) -> Option<&'static str> {
        self.refused.take()
    }

    /// Refusals of each cap since this was last asked.
    pub(crate) fn take_refusals(&mut self) -> [(&'static str, u64); 2] {
        std::mem::replace(&mut self.refusals, NONE)
    }

    fn refuse(&mut self, name: &'static str) -> wasmtime::Result<bool> {
        self.refused = Some(name);
        for (cap, count) in &mut self.refusals {
            *count += u64::from(*cap == name);
        }
        Ok(false)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.cap || maximum.is_some_and(|maximum| desired > maximum) {
            return self.refuse("memory_bytes");
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_cap || maximum.is_some_and(|maximum| desired > maximum) {
            return self.refuse("table_elements");
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use loadhost_model::plan::Limits;

    #[test]
    fn two_memories_share_one_cap() {
        let mut limiter =
            MemoryLimiter::new(&Limits { memory_bytes: 3 << 20, ..Limits::default() });
        assert!(limiter.memory_growing(0, 2 << 20, None).unwrap());
        assert!(!limiter.memory_growing(0, 2 << 20, None).unwrap());
        assert!(limiter.memory_growing(0, 1 << 20, None).unwrap());
        assert_eq!(limiter.used(), 3 << 20);
        assert_eq!(limiter.take_refused(), Some("memory_bytes"));
        assert_eq!(
            (limiter.take_refused(), limiter.take_refusals()[0], limiter.take_refusals()[0].1),
            (None, ("memory_bytes", 1), 0)
        );
    }
}
