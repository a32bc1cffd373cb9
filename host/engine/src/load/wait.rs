//! When a user's next iteration starts.

use std::time::Duration;

use fastrand::Rng;
use loadhost_model::description::WaitTime;
use tokio::time::Instant;

/// What a user does before its next iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Goes on at once; the iteration is intended to start when it does.
    None,
    /// Waits so long; the iteration is intended to start when it does. A millisecond more
    /// does no harm.
    About(Duration),
    /// Starts at this moment, which may have passed: the iteration is intended to start then.
    At(Instant),
}

impl Pause {
    /// What is left of it after a while.
    #[must_use]
    pub fn after(self, passed: Duration) -> Self {
        match self {
            Self::About(span) => Self::About(span.saturating_sub(passed)),
            Self::None | Self::At(_) => self,
        }
    }
}

/// The pause after an iteration that was intended to start at `intended`.
///
/// Pacing is a grid from the user's first iteration on. A user that is late starts at once and
/// is charged with the lag, until it has caught up.
pub fn pause_after(wait: WaitTime, intended: Instant, rng: &mut Rng) -> Pause {
    match wait {
        WaitTime::None => Pause::None,
        WaitTime::Constant(Duration::ZERO) => Pause::None,
        WaitTime::Constant(span) => Pause::About(span),
        WaitTime::Between(low, high) => Pause::About(uniform(low.min(high), high.max(low), rng)),
        WaitTime::Exponential(mean) => Pause::About(exponential(mean, rng)),
        WaitTime::Pacing(Duration::ZERO) => Pause::None,
        WaitTime::Pacing(period) => Pause::At(intended + period),
    }
}

fn uniform(low: Duration, high: Duration, rng: &mut Rng) -> Duration {
    let width = u64::try_from((high - low).as_nanos()).unwrap_or(u64::MAX);
    low + Duration::from_nanos(rng.u64(0..=width))
}

/// At most 50 times the mean, which is exceeded once in 10²¹ pauses.
fn exponential(mean: Duration, rng: &mut Rng) -> Duration {
    mean.mul_f64((-(1.0 - rng.f64()).ln()).min(50.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(wait: WaitTime) -> Vec<Duration> {
        let mut rng = Rng::with_seed(1);
        let pauses = (0..10_000).map(|_| match pause_after(wait, Instant::now(), &mut rng) {
            Pause::About(span) => span,
            other => panic!("{other:?}"),
        });
        pauses.collect()
    }

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn between_is_uniform_from_low_to_high() {
        let pauses = pauses(WaitTime::Between(millis(100), millis(300)));
        assert!(pauses.iter().all(|pause| (millis(100)..=millis(300)).contains(pause)));
        let below = pauses.iter().filter(|pause| **pause < millis(150)).count();
        assert!((2_350..2_650).contains(&below), "{below} in the first quarter");
    }

    #[test]
    fn exponential_has_its_mean_and_its_tail() {
        let pauses = pauses(WaitTime::Exponential(millis(100)));
        let mean = pauses.iter().sum::<Duration>() / 10_000;
        assert!((millis(97)..millis(103)).contains(&mean), "{mean:?}");
        let above = pauses.iter().filter(|pause| **pause > millis(200)).count();
        assert!((1_250..1_460).contains(&above), "{above} instead of 1353 above twice the mean");
    }

    #[test]
    fn pacing_is_a_grid_whatever_the_task_took() {
        let (mut rng, start) = (Rng::with_seed(1), Instant::now());
        let mut intended = start;
        for n in 1..100 {
            match pause_after(WaitTime::Pacing(millis(10)), intended, &mut rng) {
                Pause::At(next) => intended = next,
                other => panic!("{other:?}"),
            }
            assert_eq!(intended, start + millis(10) * n);
        }
    }
}
