//! How many users fit on this machine, what binds, and the command that raises it.

use std::fs;

use loadhost_model::plan::Limits;

/// Memory maps that are not for users: code, stacks, buffers, libraries.
const OTHER_MAPS: u64 = 5_000;
/// Memory maps of one user: two of its stack, four of its instance.
const MAPS_PER_USER: u64 = 6;
/// Files that are not for users.
const OTHER_FILES: u64 = 200;
/// Files of one user: its connection. Users that hold several need a lower maximum of users.
const FILES_PER_USER: u64 = 1;
/// Bytes of memory that a user of a usual scenario takes: measured 45 to 80 KiB.
const USUAL_BYTES: u64 = 96 << 10;
/// Share of the free memory that users may take.
const MEMORY_SHARE: f64 = 0.8;

/// What of the machine matters to the number of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// `vm.max_map_count`: memory maps of a process.
    pub max_maps: u64,
    /// Bytes that can be had without swapping, within the limit of the control group.
    pub free_memory: u64,
    /// Open files of a process: the hard limit, since the program raises the soft one.
    pub max_files: u64,
}

/// What of this machine's memory one process may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes at most, by the operator's word.
    pub memory: Option<u64>,
    /// How many processes such as this one share the machine; at least one.
    pub processes: u32,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { memory: None, processes: 1 }
    }
}

/// What binds the number of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Memory maps.
    Maps,
    /// Memory.
    Memory,
    /// Open files.
    Files,
}

/// How many users fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// At once.
    pub users: u32,
    /// The scarcest.
    pub bound: Bound,
    machine: Machine,
}

/// More users than fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} users do not fit: this machine has room for {room}, bound by {bound}; {remedy}")]
pub struct CapacityError {
    /// Users of the run on this machine.
    pub wanted: u32,
    /// Users that fit.
    pub room: u32,
    /// In words.
    pub bound: String,
    /// The command that raises it, or another way.
    pub remedy: String,
}

impl Machine {
    /// This machine. What cannot be read is taken as ample, since the pool says so in the end.
    pub fn this() -> Self {
        let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        Self {
            max_maps: number("/proc/sys/vm/max_map_count").unwrap_or(65_530),
            free_memory: free_memory(),
            max_files: hard.unwrap_or(u64::MAX),
        }
    }

    /// What of it is for a process that has `resident` bytes already.
    pub fn within(self, allowance: Allowance, resident: u64) -> Self {
        let shared = self.free_memory / u64::from(allowance.processes.max(1));
        let left = allowance.memory.map_or(u64::MAX, |most| most.saturating_sub(resident));
        Self { free_memory: shared.min(left), ..self }
    }
}

/// How many users with these limits fit on a machine.
pub fn capacity(limits: &Limits, machine: Machine) -> Capacity {
    // A user rarely takes all that it may: the limit matters only if it is below the usual.
    let bytes = USUAL_BYTES.min(limits.memory_bytes.max(4096));
    let memory = (machine.free_memory as f64 * MEMORY_SHARE) as u64 / bytes;
    let bounds = [
        (machine.max_maps.saturating_sub(OTHER_MAPS) / MAPS_PER_USER, Bound::Maps),
        (memory, Bound::Memory),
        (machine.max_files.saturating_sub(OTHER_FILES) / FILES_PER_USER, Bound::Files),
    ];
    let (users, bound) =
        bounds.into_iter().min_by_key(|(users, _)| *users).unwrap_or((0, Bound::Memory));
    Capacity { users: u32::try_from(users).unwrap_or(u32::MAX), bound, machine }
}

impl Capacity {
    /// Passes if so many users fit.
    ///
    /// # Errors
    /// The figure, what binds it, and the command that raises it.
    pub fn admit(&self, wanted: u32) -> Result<(), CapacityError> {
        if wanted <= self.users {
            return Ok(());
        }
        Err(CapacityError {
            wanted,
            room: self.users,
            bound: self.bound_in_words(),
            remedy: self.remedy(wanted),
        })
    }

    /// Such as `vm.max_map_count of 65530`.
    pub fn bound_in_words(&self) -> String {
        match self.bound {
            Bound::Maps => format!("vm.max_map_count of {}", self.machine.max_maps),
            Bound::Memory => format!("{} MiB of free memory", self.machine.free_memory >> 20),
            Bound::Files => format!("a limit of {} open files", self.machine.max_files),
        }
    }

    /// What makes room for so many users.
    pub fn remedy(&self, wanted: u32) -> String {
        let wanted = u64::from(wanted);
        match self.bound {
            Bound::Maps => {
                let maps = wanted * MAPS_PER_USER + OTHER_MAPS;
                format!("run `sudo sysctl -w vm.max_map_count={}`", maps.next_multiple_of(1_000))
            }
            Bound::Memory => {
                let missing = (wanted * USUAL_BYTES) as f64 / MEMORY_SHARE;
                format!("free {} MiB, or share the load with more workers", (missing as u64) >> 20)
            }
            Bound::Files => {
                let files = wanted * FILES_PER_USER + OTHER_FILES;
                format!(
                    "run `ulimit -Hn {}` as root before the start",
                    files.next_multiple_of(1_000)
                )
            }
        }
    }
}

/// Raises the soft limit on open files to the hard one. Returns what it is then.
pub fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Without it there is room for fewer users, which `capacity` does not see; rare, and harmless
    // but for errors that name the cause.
    if setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum.unwrap_or(u64::MAX)
    } else {
        limit.current.unwrap_or(u64::MAX)
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn free_memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
    let group = number("/sys/fs/cgroup/memory.max")
        .map(|max| max.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or(0)));
    machine.unwrap_or(u64::MAX).min(group.unwrap_or(u64::MAX))
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

/// Bytes of memory that this process has now; 0 where the kernel does not say.
pub fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const AMPLE: Machine =
        Machine { max_maps: u64::MAX, free_memory: u64::MAX, max_files: u64::MAX };

    fn check(machine: Machine, users: u32, wanted: u32, command: &str) {
        let capacity = capacity(&Limits::default(), machine);
        assert_eq!(capacity.users, users);
        let error = capacity.admit(wanted).unwrap_err().to_string();
        assert!(error.contains(command), "{error}");
        assert!(error.contains(&format!("room for {users}")), "{error}");
    }

    #[test]
    fn the_scarcest_binds_and_the_command_that_raises_it_is_named() {
        let machine = Machine { max_maps: 65_530, ..AMPLE };
        check(machine, 10_088, 20_000, "sudo sysctl -w vm.max_map_count=125000");
        let machine = Machine { max_files: 1_024, ..AMPLE };
        check(machine, 824, 1_500, "ulimit -Hn 2000");
        let machine = Machine { free_memory: 1 << 30, ..AMPLE };
        check(machine, 8_738, 10_000, "free 1171 MiB");
    }

    #[test]
    fn the_command_makes_enough_room() {
        let machine = Machine { max_maps: 65_530, ..AMPLE };
        let raised = Machine { max_maps: 125_000, ..machine };
        assert!(capacity(&Limits::default(), raised).admit(20_000).is_ok());
        assert!(capacity(&Limits::default(), machine).admit(10_088).is_ok());
    }

    #[test]
    fn this_machine_has_room_for_somebody() {
        assert!(capacity(&Limits::default(), Machine::this()).users > 100);
        assert_eq!(available("MemTotal: 1 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
    }

    #[test]
    fn a_process_takes_no_more_memory_than_it_is_allowed() {
        let machine = Machine { max_maps: 1 << 30, free_memory: 8 << 30, max_files: 1 << 20 };
        let users = |memory, processes, resident| {
            let machine = machine.within(Allowance { memory, processes }, resident);
            capacity(&Limits::default(), machine).users
        };
        let all = users(None, 1, 0);
        assert_eq!(all, capacity(&Limits::default(), machine).users);
        assert_eq!(users(None, 4, 1 << 30), all / 4);
        assert_eq!(users(Some(2 << 30), 1, 1 << 30), all / 8);
        assert_eq!(users(Some(1 << 30), 2, 2 << 30), 0);
    }
}
