//! A scenario that steers the load itself.

use std::time::Duration;

/// What a shape may look at.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Now {
    /// Since the start of the run.
    pub elapsed: Duration,
    /// Users running.
    pub users: u32,
    /// Requests per second over the last second.
    pub rps: f64,
    /// Failed among them, 0.0 to 1.0.
    pub failure_ratio: f64,
}

/// What the run goes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// How many users.
    pub users: u32,
    /// Users started or stopped per second.
    pub spawn_rate: f64,
}

impl Target {
    /// So many users, at once.
    pub fn users(users: u32) -> Self {
        Self { users, spawn_rate: f64::from(u32::MAX) }
    }

    /// So many users, `rate` more or fewer per second.
    pub fn spawning(self, rate: f64) -> Self {
        Self { spawn_rate: rate, ..self }
    }
}

/// How many users run, decided once a second: `export!(…; shape = YourShape)`.
pub trait LoadShape: Default + 'static {
    /// None ends the run.
    fn tick(&mut self, now: &Now) -> Option<Target>;
}
