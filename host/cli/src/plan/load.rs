//! How much load, and when: users, stages, rates, iterations, phases.

use std::time::Duration;

use loadhost_model::description::Description;
use loadhost_model::profile::{Curve, Load, Phase, Profile, Stage};
use loadhost_model::text::{Target, parse_stages};

use crate::config::{
    Effective, Item, PhaseItems, as_duration, as_number, as_rate, as_switch, refuse,
};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Users of an arrival rate, at most, if nobody says how many: those that iterations of a second
/// need, but not fewer and not more than this. They are made only when they are needed, and a rate
/// can be raised while the run goes on.
const DEFAULT_MAX_USERS: (u32, u32) = (1_000, 10_000);
/// Users made before the start, if nobody says how many: those that iterations of this length need.
/// More are made as soon as few of them are free.
const PREALLOCATED: Duration = Duration::from_millis(20);

/// The whole load of the run.
pub(super) fn profile(settings: &Effective, description: &Description) -> Result<Profile, Failure> {
    let run_time = settings.duration("run-time")?;
    let phases = if settings.phases.is_empty() {
        vec![only_phase(settings, description, run_time)?]
    } else {
        settings
            .phases
            .iter()
            .enumerate()
            .map(|(i, items)| phase(i, items))
            .collect::<Result<_, _>>()?
    };
    let max_request_rate =
        settings.item("max-rps").map(|item| as_rate("max-rps", item)).transpose()?;
    Ok(Profile { phases, run_time, max_request_rate })
}

/// What stands for a load that cannot be read.
pub(super) fn one_user() -> Profile {
    let load = Load::Closed { users: level(1.0) };
    let phase =
        Phase { name: "main".to_string(), start: Duration::ZERO, load, user_types: Vec::new() };
    Profile { phases: vec![phase], run_time: None, max_request_rate: None }
}

fn only_phase(
    settings: &Effective,
    description: &Description,
    run_time: Option<Duration>,
) -> Result<Phase, Failure> {
    let source = Source { of: &|key| settings.item(key) };
    let load = if description.has_load_shape && source.kind().is_none() {
        Load::Shaped { users: level(0.0) }
    } else {
        source.load(run_time)?
    };
    Ok(Phase { name: "main".to_string(), start: Duration::ZERO, load, user_types: Vec::new() })
}

/// One table of `[[phases]]`.
fn phase(index: usize, items: &PhaseItems) -> Result<Phase, Failure> {
    let source = Source { of: &|key| items.get(key) };
    let run_time = source.duration("run-time")?;
    let mut load = source.load(run_time)?;
    if let Some(run_time) = run_time {
        end_after(&mut load, run_time);
    }
    let names = |item: &Item| item.text.split(',').map(|name| name.trim().to_string()).collect();
    Ok(Phase {
        name: items
            .get("name")
            .map_or_else(|| format!("phase-{}", index + 1), |item| item.text.clone()),
        start: source.duration("start")?.unwrap_or_default(),
        load,
        user_types: items.get("user-types").map(names).unwrap_or_default(),
    })
}

/// A phase that is over while the run goes on.
fn end_after(load: &mut Load, run_time: Duration) {
    let (Load::Closed { users: curve }
    | Load::Shaped { users: curve }
    | Load::Arrivals { rate: curve, .. }) = load
    else {
        return;
    };
    if !curve.hold {
        return;
    }
    let ramp: Duration = curve.stages.iter().map(|stage| stage.duration).sum();
    let target = curve.stages.last().map_or(curve.start, |stage| stage.target);
    curve.stages.push(Stage { duration: run_time.saturating_sub(ramp), target });
    curve.hold = false;
}

/// Where the load's settings are looked up: at the top, or in a phase.
struct Source<'a> {
    of: &'a dyn Fn(&'static str) -> Option<&'a Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Users,
    Stages,
    Rate,
    RateStages,
    Iterations,
}

impl Source<'_> {
    fn kind(&self) -> Option<Kind> {
        let has = |key| (self.of)(key).is_some();
        [
            ("iterations", Kind::Iterations),
            ("stages", Kind::Stages),
            ("rate", Kind::Rate),
            ("rate-stages", Kind::RateStages),
            ("users", Kind::Users),
        ]
        .into_iter()
        .find_map(|(key, kind)| has(key).then_some(kind))
    }

    fn load(&self, run_time: Option<Duration>) -> Result<Load, Failure> {
        self.refuse_two_kinds()?;
        match self.kind() {
            None | Some(Kind::Users) => self.users(),
            Some(Kind::Stages) => {
                let stages = self.stages("stages", Target::Users)?;
                Ok(Load::Closed { users: Curve { start: 0.0, stages, hold: false } })
            }
            Some(Kind::Rate) => {
                let rate = (self.of)("rate").map_or(Ok(0.0), |item| as_rate("rate", item))?;
                self.arrivals(level(rate), rate)
            }
            Some(Kind::RateStages) => {
                let stages = self.stages("rate-stages", Target::Rate)?;
                let peak = stages.iter().map(|stage| stage.target).fold(0.0, f64::max);
                self.arrivals(Curve { start: 0.0, stages, hold: false }, peak)
            }
            Some(Kind::Iterations) => self.iterations(run_time),
        }
    }

    /// Within one layer, or one phase, two kinds of load contradict each other.
    fn refuse_two_kinds(&self) -> Result<(), Failure> {
        let given = ["stages", "rate", "rate-stages", "iterations"].into_iter().chain(["users"]);
        let given: Vec<_> = given.filter_map(|key| Some((key, (self.of)(key)?))).collect();
        match given.as_slice() {
            [] | [_] | [("iterations", _), ("users", _)] => Ok(()),
            [(first, one), (second, other), ..] => Err(Failure::new(
                ExitCode::Configuration,
                format!(
                    "`{first}` ({}) and `{second}` ({}) are two kinds of load",
                    one.origin, other.origin
                ),
            )
            .hint("give one of them, or `[[phases]]` in the file for several at once")),
        }
    }

    fn users(&self) -> Result<Load, Failure> {
        let users = f64::from(self.number::<u32>("users")?.unwrap_or(1));
        let Some(item) = (self.of)("spawn-rate") else {
            return Ok(Load::Closed { users: level(users) });
        };
        let spawn_rate = as_rate("spawn-rate", item)?;
        if spawn_rate <= 0.0 {
            return Err(refuse(
                "spawn-rate",
                item,
                "users would never start; give a number above zero",
            ));
        }
        let ramp = Stage { duration: Duration::from_secs_f64(users / spawn_rate), target: users };
        Ok(Load::Closed { users: Curve { start: 0.0, stages: vec![ramp], hold: true } })
    }

    fn arrivals(&self, rate: Curve, peak: f64) -> Result<Load, Failure> {
        // Whole and not negative, and `as` keeps within the type.
        let users_for = |span: Duration| (peak * span.as_secs_f64()).ceil() as u32;
        let (least, most) = DEFAULT_MAX_USERS;
        let enough = users_for(Duration::from_secs(1)).clamp(least, most);
        let max_users: u32 = self.number("max-users")?.unwrap_or(enough);
        let at_first = users_for(PREALLOCATED).clamp(1, max_users.max(1));
        Ok(Load::Arrivals {
            rate,
            poisson: (self.of)("poisson").map_or(Ok(false), |item| as_switch("poisson", item))?,
            preallocated: self.number("preallocate")?.unwrap_or(at_first).min(max_users),
            max_users,
            max_lag: self.duration("max-lag")?.unwrap_or(Duration::from_secs(10)),
        })
    }

    fn iterations(&self, max_duration: Option<Duration>) -> Result<Load, Failure> {
        let iterations = self.number("iterations")?.unwrap_or(1);
        let users = self.number("users")?.unwrap_or(1);
        let per_user =
            (self.of)("per-user").map_or(Ok(false), |item| as_switch("per-user", item))?;
        Ok(if per_user {
            Load::UserIterations { users, iterations, max_duration }
        } else {
            Load::SharedIterations { users, iterations, max_duration }
        })
    }

    fn stages(&self, key: &'static str, target: Target) -> Result<Vec<Stage>, Failure> {
        let Some(item) = (self.of)(key) else { return Ok(Vec::new()) };
        parse_stages(&item.text, target).map_err(|error| refuse(key, item, &error.to_string()))
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str) -> Result<Option<T>, Failure>
    where
        T::Err: std::fmt::Display,
    {
        (self.of)(key).map(|item| as_number(key, item)).transpose()
    }

    fn duration(&self, key: &'static str) -> Result<Option<Duration>, Failure> {
        (self.of)(key).map(|item| as_duration(key, item)).transpose()
    }
}

/// The same from the start to the end of the run.
fn level(value: f64) -> Curve {
    Curve { start: value, stages: Vec::new(), hold: true }
}
