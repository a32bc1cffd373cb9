//! The load of a run in words.

use std::time::Duration;

use loadhost_model::profile::{Curve, Load, Phase, Profile, Stage};
use loadhost_model::text::format_stages;

use super::format::{grouped, plain};

/// The load that a profile makes, phase by phase; changes that were made while running are in it.
pub fn load(profile: &Profile) -> String {
    let one = |phase: &Phase| match profile.phases.len() {
        1 => of(&phase.load),
        _ => format!("{}: {}", phase.name, of(&phase.load)),
    };
    profile.phases.iter().map(one).collect::<Vec<_>>().join(" · ")
}

fn of(load: &Load) -> String {
    match load {
        Load::Closed { users } => curve(users, " users"),
        Load::Shaped { .. } => "users as the scenario's load shape says".to_string(),
        Load::Arrivals { rate, poisson, max_users, .. } => {
            let how = if *poisson { ", Poisson" } else { "" };
            format!("{}{how}, at most {} users", curve(rate, "/s"), grouped((*max_users).into()))
        }
        Load::SharedIterations { users, iterations, .. } => format!(
            "{} iterations shared by {} users",
            grouped(*iterations),
            grouped((*users).into())
        ),
        Load::UserIterations { users, iterations, .. } => format!(
            "{} iterations by each of {} users",
            grouped(*iterations),
            grouped((*users).into())
        ),
    }
}

fn curve(curve: &Curve, unit: &str) -> String {
    if curve.stages.is_empty() {
        return format!("{}{unit}", plain(curve.start));
    }
    let from = match curve.start {
        0.0 => String::new(),
        start => format!("from {}, ", plain(start)),
    };
    let stages: Vec<Stage> = curve
        .stages
        .iter()
        .map(|stage| Stage { duration: rounded(stage.duration), ..*stage })
        .collect();
    format!("{from}{}{unit}", format_stages(&stages))
}

/// A change while running begins at whatever microsecond it is: people need tenths of a second.
fn rounded(duration: Duration) -> Duration {
    let tenths = (duration.as_secs_f64() * 10.0).round();
    if duration < Duration::from_secs(1) {
        duration
    } else {
        Duration::from_secs_f64(tenths / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_tenths_of_a_second() {
        let stage = |micros, target| Stage { duration: Duration::from_micros(micros), target };
        let stages = vec![stage(3_035_448, 5.0), stage(0, 20.0), stage(250_000, 7.0)];
        let users = Curve { start: 5.0, stages, hold: true };
        let text = of(&Load::Closed { users });
        assert_eq!(text, "from 5, 3s->5, 0s->20, 250ms->7 users");
    }

    #[test]
    fn each_model_has_its_words() {
        let level = |start| Curve { start, stages: Vec::new(), hold: true };
        let stage = Stage { duration: Duration::from_secs(10), target: 50.0 };
        let ramp = |start| Curve { stages: vec![stage], ..level(start) };
        let arrivals = |rate, poisson| Load::Arrivals {
            rate,
            poisson,
            preallocated: 1,
            max_users: 1_000,
            max_lag: Duration::ZERO,
        };
        for (load, words) in [
            (Load::Closed { users: level(5.0) }, "5 users"),
            (Load::Closed { users: ramp(0.0) }, "10s->50 users"),
            (Load::Closed { users: ramp(2.0) }, "from 2, 10s->50 users"),
            (arrivals(level(12.5), false), "12.5/s, at most 1,000 users"),
            (arrivals(ramp(0.0), true), "10s->50/s, Poisson, at most 1,000 users"),
            (
                Load::SharedIterations { users: 3, iterations: 1_000, max_duration: None },
                "1,000 iterations shared by 3 users",
            ),
            (
                Load::UserIterations { users: 3, iterations: 7, max_duration: None },
                "7 iterations by each of 3 users",
            ),
        ] {
            assert_eq!(of(&load), words);
        }
    }
}
