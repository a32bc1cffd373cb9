//! What the shards of a worker share in one run: counters that are not hot, and the word to stop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use loadhost_model::description::Description;
use tokio_util::sync::CancellationToken;

use crate::load::governor::ALL;
use crate::load::pulse::Pulse;

/// Users that fail at the start before the share of them is looked at; fewer if fewer are planned.
const STARTS_TO_JUDGE: u64 = 10;

/// Why a worker ends the run of its own accord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// Stable: `abort-run`, `start-failures`, `shard`, `edition`.
    pub code: &'static str,
    /// What and why, with the remedy.
    pub message: Arc<str>,
}

/// Shared by the shards of one worker for one run.
#[derive(Debug)]
pub struct Team {
    /// Running, by user type.
    users: Vec<(Arc<str>, AtomicU32)>,
    starts: AtomicU64,
    failed_starts: AtomicU64,
    /// Users by the version of the scenario that they run.
    aboard: Mutex<BTreeMap<u32, u32>>,
    /// Users this worker is to have at most.
    planned_users: u64,
    /// What is not shed, in thousandths.
    allowed: AtomicU32,
    /// Iterations that are left, by phase.
    iterations: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    pulse: Arc<Pulse>,
    abort: OnceLock<Abort>,
    aborted: CancellationToken,
}

impl Team {
    /// Nobody running yet. `planned_users`: of this worker, at most.
    pub fn new(description: &Description, planned_users: u64) -> Self {
        let types = description.user_types.iter();
        Self {
            users: types.map(|t| (Arc::from(&*t.name), AtomicU32::new(0))).collect(),
            starts: AtomicU64::new(0),
            failed_starts: AtomicU64::new(0),
            aboard: Mutex::default(),
            planned_users,
            allowed: AtomicU32::new(ALL),
            iterations: Mutex::default(),
            pulse: Arc::default(),
            abort: OnceLock::new(),
            aborted: CancellationToken::new(),
        }
    }

    /// The same with a pulse that its shards beat.
    #[must_use]
    pub fn with_pulse(self, pulse: Arc<Pulse>) -> Self {
        Self { pulse, ..self }
    }

    /// Whether the process has stood still.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Ends the run. The first reason is the one that is kept.
    pub fn abort(&self, code: &'static str, message: impl Into<Arc<str>>) {
        self.abort.get_or_init(|| Abort { code, message: message.into() });
        self.aborted.cancel();
    }

    /// Resolves once somebody has ended the run.
    pub async fn aborted(&self) -> Abort {
        self.aborted.cancelled().await;
        let unknown = || Abort { code: "abort-run", message: "no reason given".into() };
        self.abort.get().cloned().unwrap_or_else(unknown)
    }

    /// From now on so many thousandths of the load are made.
    pub fn allow(&self, thousandths: u32) {
        self.allowed.store(thousandths.min(ALL), Ordering::Relaxed);
    }

    /// What is made of the load, in thousandths.
    pub(super) fn allowed(&self) -> u32 {
        self.allowed.load(Ordering::Relaxed)
    }

    /// Users running, by the name of their type.
    pub fn users(&self) -> BTreeMap<Arc<str>, u32> {
        let count = |count: &AtomicU32| count.load(Ordering::Relaxed);
        self.users.iter().map(|(name, users)| (Arc::clone(name), count(users))).collect()
    }

    /// Counts a user as running this version for as long as what is returned lives.
    pub(super) fn aboard(&self, version: u32) -> Aboard<'_> {
        self.change_aboard(version, 1);
        Aboard { team: self, version }
    }

    /// Users that run an older version than this one.
    pub(super) fn behind(&self, version: u32) -> u32 {
        let aboard = self.aboard.lock().unwrap_or_else(PoisonError::into_inner);
        aboard.range(..version).map(|(_, users)| users).sum()
    }

    fn change_aboard(&self, version: u32, by: i32) {
        let mut aboard = self.aboard.lock().unwrap_or_else(PoisonError::into_inner);
        let users = aboard.entry(version).or_default();
        *users = users.saturating_add_signed(by);
        if *users == 0 {
            aboard.remove(&version);
        }
    }

    pub(super) fn joined(&self, user_type: u32) {
        if let Some((_, users)) = self.users.get(user_type as usize) {
            users.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn left(&self, user_type: u32) {
        if let Some((_, users)) = self.users.get(user_type as usize) {
            users.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A user came to the end of its first start. More than a fifth of them unusable after it
    /// ends the run: nobody wants to load a target with what is left.
    pub(super) fn first_start(&self, failure: Option<&str>) {
        let starts = self.starts.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(message) = failure else { return };
        let failed = self.failed_starts.fetch_add(1, Ordering::Relaxed) + 1;
        if failed * 5 > starts && starts >= self.planned_users.clamp(1, STARTS_TO_JUDGE) {
            let told =
                format!("{failed} of {starts} users failed at their start, such as: {message}");
            self.abort("start-failures", told);
        }
    }

    /// What is left of a phase's iterations, of which this worker has `share` in all.
    pub(super) fn iterations(&self, phase: &str, share: u64) -> Arc<AtomicU64> {
        let mut iterations = self.iterations.lock().unwrap_or_else(PoisonError::into_inner);
        let left = iterations.entry(phase.to_string());
        Arc::clone(left.or_insert_with(|| Arc::new(AtomicU64::new(share))))
    }
}

/// A user that runs a version.
#[derive(Debug)]
pub(super) struct Aboard<'a> {
    team: &'a Team,
    version: u32,
}

impl Drop for Aboard<'_> {
    fn drop(&mut self) {
        self.team.change_aboard(self.version, -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(planned: u64) -> Team {
        let description = Description { name: "test".into(), ..Description::default() };
        Team::new(&description, planned)
    }

    #[test]
    fn the_only_user_failing_at_its_start_ends_the_run() {
        let team = team(1);
        team.first_start(Some("trap"));
        assert!(team.abort.get().is_some_and(|abort| abort.code == "start-failures"));
    }

    #[test]
    fn one_of_fifty_users_failing_at_its_start_does_not_end_the_run() {
        let team = team(50);
        team.first_start(Some("trap"));
        for _ in 0..49 {
            team.first_start(None);
        }
        assert_eq!(team.abort.get(), None);
    }

    #[test]
    fn more_than_a_fifth_failing_at_the_start_ends_the_run() {
        let team = team(50);
        for n in 0..16 {
            team.first_start((n % 4 == 3).then_some("trap"));
            assert_eq!(team.abort.get().is_some(), n >= 11, "after {} starts", n + 1);
        }
    }

    #[test]
    fn the_first_reason_to_abort_is_kept() {
        let team = team(1);
        team.abort("abort-run", "first");
        team.abort("abort-run", "second");
        assert_eq!(team.abort.get().map(|abort| &*abort.message), Some("first"));
    }
}
