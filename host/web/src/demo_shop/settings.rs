//! How the shop behaves: delays, errors and stalls, adjustable while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::routes::Endpoint;

/// How the shop behaves. Durations are text such as `5ms` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Before each answer.
    #[serde(with = "text")]
    pub delay: Duration,
    /// Added to the delay, uniformly from zero to this.
    #[serde(with = "text")]
    pub jitter: Duration,
    /// Share of requests that are answered with status 500, 0 to 1.
    pub error_rate: f64,
    /// The shop stands still once in each of these; zero: never.
    #[serde(with = "text")]
    pub stall_every: Duration,
    /// How long it stands still, at the end of each period.
    #[serde(with = "text")]
    pub stall_for: Duration,
    /// Added to the delay of one path, such as `/checkout` or `/item/{id}`.
    #[serde(with = "text_map")]
    pub slow_paths: BTreeMap<String, Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            error_rate: 0.0,
            stall_every: Duration::ZERO,
            stall_for: Duration::ZERO,
            slow_paths: BTreeMap::new(),
        }
    }
}

/// Why settings were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// Not a share.
    #[error("error rate {0} is not a share: give a number from 0 to 1")]
    ErrorRate(f64),
    /// Would never serve.
    #[error("a stall of {stall:?} in every {every:?} leaves no time to answer: make it shorter")]
    Stall {
        /// How long.
        stall: Duration,
        /// How often.
        every: Duration,
    },
    /// No such path.
    #[error("the shop has no path `{0}`: it has {known}", known = Endpoint::names())]
    Path(String),
}

impl Settings {
    /// Whether a shop can behave so.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !(0.0..=1.0).contains(&self.error_rate) {
            return Err(SettingsError::ErrorRate(self.error_rate));
        }
        if !self.stall_for.is_zero() && self.stall_for >= self.stall_every {
            return Err(SettingsError::Stall { stall: self.stall_for, every: self.stall_every });
        }
        match self.slow_paths.keys().find(|path| Endpoint::named(path).is_none()) {
            Some(path) => Err(SettingsError::Path(path.clone())),
            None => Ok(()),
        }
    }

    fn is_calm(&self) -> bool {
        *self == Self::default()
    }
}

/// The settings in force.
pub(super) struct Mood {
    now: Mutex<(Settings, Instant)>,
    // Read on each request without taking the lock.
    calm: AtomicBool,
}

impl Mood {
    pub(super) fn new(settings: Settings) -> Self {
        let calm = settings.is_calm().into();
        Self { now: Mutex::new((settings, Instant::now())), calm }
    }

    pub(super) fn settings(&self) -> Settings {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Stalls are counted from here.
    pub(super) fn change(&self, settings: Settings) {
        self.calm.store(settings.is_calm(), Relaxed);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = (settings, Instant::now());
    }

    /// Waits as the settings say; an answer if the request is to fail.
    pub(super) async fn before(&self, endpoint: Endpoint) -> Option<Response> {
        if self.calm.load(Relaxed) {
            return None;
        }
        let (stalled_until, delay, error) = self.decide(endpoint);
        if let Some(until) = stalled_until {
            tokio::time::sleep_until(until).await;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        error.then(|| {
            (StatusCode::INTERNAL_SERVER_ERROR, "the shop has a bad day\n").into_response()
        })
    }

    fn decide(&self, endpoint: Endpoint) -> (Option<Instant>, Duration, bool) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (settings, since) = (&now.0, now.1);
        let jitter = settings.jitter.mul_f64(fastrand::f64());
        let slow = settings.slow_paths.get(endpoint.name()).copied().unwrap_or_default();
        (
            stall_end(since.elapsed(), settings).map(|end| since + end),
            settings.delay + jitter + slow,
            settings.error_rate > 0.0 && fastrand::f64() < settings.error_rate,
        )
    }
}

/// The end of the stall that `elapsed` falls into.
fn stall_end(elapsed: Duration, settings: &Settings) -> Option<Duration> {
    let every = settings.stall_every.as_nanos();
    if every == 0 || settings.stall_for.is_zero() {
        return None;
    }
    let period_end = (elapsed.as_nanos() / every + 1) * every;
    let left = period_end - elapsed.as_nanos();
    (left <= settings.stall_for.as_nanos())
        .then(|| elapsed + Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))
}

/// Durations as people write them.
mod text {
    use std::time::Duration;

    use loadhost_model::text::{format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_duration(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        parse_duration(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

mod text_map {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use loadhost_model::text::{format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    type Map = BTreeMap<String, Duration>;

    pub(super) fn serialize<S: Serializer>(map: &Map, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(map.iter().map(|(path, delay)| (path, format_duration(*delay))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Map, D::Error> {
        BTreeMap::<String, String>::deserialize(from)?
            .into_iter()
            .map(|(path, text)| Ok((path, parse_duration(&text).map_err(D::Error::custom)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stall_stands_at_the_end_of_each_period() {
        let settings = Settings {
            stall_every: Duration::from_secs(10),
            stall_for: Duration::from_secs(1),
            ..Settings::default()
        };
        let end = |ms| stall_end(Duration::from_millis(ms), &settings).map(|end| end.as_millis());
        assert_eq!(end(0), None);
        assert_eq!(end(8_999), None);
        assert_eq!(end(9_000), Some(10_000));
        assert_eq!(end(9_999), Some(10_000));
        assert_eq!(end(10_000), None);
        assert_eq!(end(19_500), Some(20_000));
    }

    #[test]
    fn settings_that_cannot_be_are_refused_with_the_remedy() {
        let error = |json: &str| {
            serde_json::from_str::<Settings>(json).unwrap().check().unwrap_err().to_string()
        };
        assert_eq!(
            error(r#"{"error_rate": 5}"#),
            "error rate 5 is not a share: give a number from 0 to 1"
        );
        assert!(error(r#"{"stall_every": "1s", "stall_for": "1s"}"#).contains("make it shorter"));
        assert!(error(r#"{"slow_paths": {"/chekout": "1s"}}"#).contains("/checkout"));
    }

    #[test]
    fn durations_are_text() {
        let settings: Settings =
            serde_json::from_str(r#"{"delay": "5ms", "slow_paths": {"/checkout": "200ms"}}"#)
                .unwrap();
        assert_eq!(settings.delay, Duration::from_millis(5));
        let back = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&back).unwrap(), settings);
    }
}
