//! The coordinator's times and bounds.

use std::time::Duration;

use loadhost_model::id::Term;

/// What becomes of runs when the coordinator is ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AtEnd {
    /// They are reported as interrupted, and workers are told to be idle.
    #[default]
    EndRuns,
    /// They go on: all is saved for a successor, and workers are told nothing.
    HandOver,
}

/// How patient a coordinator is. All fields may be changed; see [`Default`] for the usual values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// Leadership under which it acts; stands in each assignment.
    pub term: Term,
    /// A worker silent for this long is suspect. Default 2 s, two heartbeats.
    pub suspect: Duration,
    /// A worker silent for this long is lost, and others get its share. Default 3 s.
    pub lost: Duration,
    /// If nobody at all is heard, the trouble is more likely between the workers and this
    /// coordinator than theirs; they are lost only after this long. Default 30 s.
    pub all_lost: Duration,
    /// Of the load, in percent, that changes hands in one second at most when shares are levelled. The
    /// share of a lost worker is given away at once. Default 10.
    pub rebalance_percent: u32,
    /// For fetching and compiling, before the run fails. Default 30 s.
    pub prepare_timeout: Duration,
    /// From the decision to start to the common instant, so that all workers know it in time.
    /// Default 1 s; a local run needs no more than a few milliseconds.
    pub start_delay: Duration,
    /// A change takes effect this much later, so that all workers make it at once. Default 500 ms.
    pub change_lead: Duration,
    /// Beyond what the plan allows for stopping, before a worker is given up. Default 5 s.
    pub stop_margin: Duration,
    /// For the last intervals after the workers have stopped. Default 10 s.
    pub collect_timeout: Duration,
    /// A load shape that answers later than this ends the run. Default 5 s.
    pub shape_timeout: Duration,
    /// Workers of a fleet; more are ignored and counted as `max_workers`. Default 10,000.
    pub max_workers: usize,
    /// Runs that wait or go on at a time; more are refused and counted as `max_runs`. Default 100.
    pub max_runs: usize,
    /// Runs that are over and still shown. Default 20.
    pub max_finished_runs: usize,
    /// Between checkpoints of a run's numbers. Longer if they are so large that saving them takes
    /// more than a tenth of the time. Default 3 s.
    pub checkpoint: Duration,
    /// What becomes of runs when the coordinator is ended.
    pub at_end: AtEnd,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            term: Term(1),
            suspect: Duration::from_secs(2),
            lost: Duration::from_secs(3),
            all_lost: Duration::from_secs(30),
            rebalance_percent: 10,
            prepare_timeout: Duration::from_secs(30),
            start_delay: Duration::from_secs(1),
            change_lead: Duration::from_millis(500),
            stop_margin: Duration::from_secs(5),
            collect_timeout: Duration::from_secs(10),
            shape_timeout: Duration::from_secs(5),
            max_workers: 10_000,
            max_runs: 100,
            max_finished_runs: 20,
            checkpoint: Duration::from_secs(3),
            at_end: AtEnd::EndRuns,
        }
    }
}
