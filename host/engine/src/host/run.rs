//! `log` and `time`.

use std::pin::pin;
use std::time::Duration;

use loadhost_model::plan::{Limits, LogLevel};
use tokio::time::Instant;

use super::output::Channel;
use super::sample::nanos;
use super::state::VuState;
use crate::bindings::{log, time};

impl log::Host for VuState {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.call()?;
        if passes(level, &self.plan.limits) {
            self.log.put(channel(level), &message);
        }
        Ok(())
    }

    fn enabled(&mut self, level: log::Level) -> wasmtime::Result<bool> {
        self.call()?;
        Ok(passes(level, &self.plan.limits))
    }
}

pub(crate) fn channel(level: log::Level) -> Channel {
    match level {
        log::Level::Trace => Channel::Trace,
        log::Level::Debug => Channel::Debug,
        log::Level::Info => Channel::Info,
        log::Level::Warn => Channel::Warn,
        log::Level::Error => Channel::Error,
    }
}

/// Whether lines of this level are wanted: under load nobody reads a user's traces.
pub(crate) fn passes(level: log::Level, limits: &Limits) -> bool {
    let level = match level {
        log::Level::Trace => LogLevel::Trace,
        log::Level::Debug => LogLevel::Debug,
        log::Level::Info => LogLevel::Info,
        log::Level::Warn => LogLevel::Warn,
        log::Level::Error => LogLevel::Error,
    };
    level >= limits.log_level
}

impl time::Host for VuState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.call()?;
        Ok(nanos(self.shard.clock.elapsed()))
    }

    async fn sleep(&mut self, span: u64) -> wasmtime::Result<Result<(), ()>> {
        self.call()?;
        let began = Instant::now();
        let sleep = pin!(tokio::time::sleep(Duration::from_nanos(span)));
        let slept = self.interrupt.or(sleep).await;
        self.cpu.waited(began, Instant::now());
        Ok(slept.ok_or(()))
    }

    fn random(&mut self) -> wasmtime::Result<u64> {
        self.call()?;
        Ok(self.random.u64(..))
    }
}
