//! From settings and a scenario's description to the plan of a run.

mod data;
pub(crate) mod limits;
mod load;
mod requests;

use std::collections::BTreeMap;
use std::time::Duration;

use loadhost_model::data::DataSet;
use loadhost_model::description::Description;
use loadhost_model::id::{Digest, RunId};
use loadhost_model::plan::{
    FleetSettings, ParamError, PlanError, PlanErrors, RunPlan, TaskFilter, UserShare,
};
use loadhost_model::profile::ProfileError;
use loadhost_model::threshold::Threshold;

pub(crate) use self::data::{data_files, format_of, split as split_data};
pub(crate) use self::limits::{limits, table as limits_table};

use crate::config::{Effective, as_number, fold, refuse, similar};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// What a scenario's file was found to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Module<'a> {
    pub(crate) digest: Digest,
    pub(crate) description: &'a Description,
    pub(crate) data: &'a BTreeMap<String, DataSet>,
}

/// For whom a run waits, and how long, before it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) expect_workers: u32,
    pub(crate) max_wait: Duration,
}

impl Waiting {
    /// As the settings say, or all that is wrong with them.
    pub(crate) fn or_all_faults(settings: &Effective) -> Result<Self, Vec<Failure>> {
        let mut faults = Faults::default();
        let waiting = Self {
            expect_workers: faults.of(settings.number("expect-workers")).unwrap_or(1),
            max_wait: faults.of(settings.duration("max-wait")).unwrap_or_default(),
        };
        if faults.0.is_empty() { Ok(waiting) } else { Err(faults.0) }
    }

    /// The same, with the first of them.
    pub(crate) fn of(settings: &Effective) -> Result<Self, Failure> {
        Self::or_all_faults(settings).map_err(|mut faults| faults.swap_remove(0))
    }
}

/// The plan of a new run. All that is wrong is an invalid configuration or parameter.
pub(crate) fn plan(settings: &Effective, module: Module<'_>) -> Result<RunPlan, Failure> {
    let mut faults = Faults::default();
    let draft = draft(settings, module, &mut faults)?;
    match faults.0.into_iter().next() {
        Some(first) => Err(first),
        None => draft.checked(module.description).map_err(|faults| impossible(&faults)),
    }
}

/// The same, with all that is wrong, as far as it can be known: who has a form sees it beside each field.
pub(crate) fn plan_or_all_faults(
    settings: &Effective,
    module: Module<'_>,
) -> Result<RunPlan, Vec<Failure>> {
    let mut faults = Faults::default();
    let draft = draft(settings, module, &mut faults).map_err(|failure| vec![failure])?;
    let checked = draft.checked(module.description);
    let load = settings.load_key();
    match checked {
        Ok(plan) if faults.0.is_empty() => return Ok(plan),
        Ok(_) => {}
        Err(more) => faults.0.extend(more.0.iter().map(|fault| one_fault(fault, load))),
    }
    Err(faults.0)
}

/// What is wrong with these settings, whatever scenario they will hold for.
pub(crate) fn wrong_for_all(settings: &Effective) -> Option<Failure> {
    let (description, data) = Default::default();
    let module = Module { digest: Digest::new([0; 32]), description: &description, data: &data };
    let mut faults = Faults::default();
    let draft = draft(settings, module, &mut faults).err();
    let waiting = Waiting::of(settings).err();
    draft.or(faults.0.into_iter().next()).or(waiting)
}

/// What is wrong so far.
#[derive(Debug, Default)]
struct Faults(Vec<Failure>);

impl Faults {
    /// The value; else what stands for it while more faults are looked for.
    fn of<T: Default>(&mut self, value: Result<T, Failure>) -> T {
        value.unwrap_or_else(|failure| {
            self.0.push(failure);
            T::default()
        })
    }
}

/// A plan that is not checked against the scenario, and means nothing if there are faults.
fn draft(
    settings: &Effective,
    module: Module<'_>,
    faults: &mut Faults,
) -> Result<RunPlan, Failure> {
    let description = module.description;
    Ok(RunPlan {
        run: new_run()?,
        scenario: description.name.clone(),
        module: module.digest,
        target: faults.of(target(settings)),
        params: params(settings, description, faults),
        // Filled in by the check.
        secret_params: Vec::new(),
        data: module.data.clone(),
        seed: faults.of(seed(settings)),
        profile: load::profile(settings, description).unwrap_or_else(|failure| {
            faults.0.push(failure);
            load::one_user()
        }),
        user_types: faults.of(user_types(settings)),
        tasks: TaskFilter {
            include: settings.texts("tags"),
            exclude: settings.texts("exclude-tags"),
            names: settings.texts("tasks"),
        },
        http: faults.of(requests::http(settings)),
        limits: faults.of(limits(settings)),
        thresholds: faults.of(thresholds(settings, description)),
        graceful_stop: faults.of(settings.duration("graceful-stop")).unwrap_or_default(),
        warm_up: faults.of(settings.duration("warm-up")),
        fleet: faults.of(fleet(settings)),
    })
}

fn new_run() -> Result<RunId, Failure> {
    RunId::new(ulid::Ulid::generate().to_string())
        .map_err(|error| Failure::new(ExitCode::Unexpected, "no id for the run").because(&error))
}

/// How the run is spread over workers.
fn fleet(settings: &Effective) -> Result<FleetSettings, Failure> {
    let usual = FleetSettings::default();
    let interval = settings.duration("rebalance-interval")?;
    Ok(FleetSettings {
        placement: settings.number("placement")?,
        distribution: settings.number("distribution")?.unwrap_or(usual.distribution),
        rebalance_interval: interval.or(usual.rebalance_interval).filter(|time| !time.is_zero()),
        on_worker_lost: settings.number("on-worker-lost")?.unwrap_or(usual.on_worker_lost),
        max_retries: settings.number("max-retries")?.unwrap_or(usual.max_retries),
    })
}

/// Below 2^53, so that it survives JSON and guests that have only floating point numbers.
fn seed(settings: &Effective) -> Result<u64, Failure> {
    let drawn = || ulid::Ulid::generate().random() as u64 & ((1 << 53) - 1);
    Ok(settings.number("seed")?.unwrap_or_else(drawn))
}

fn target(settings: &Effective) -> Result<Option<String>, Failure> {
    let Some(item) = settings.item("host").filter(|item| !item.text.is_empty()) else {
        return Ok(None);
    };
    if item.text.starts_with("http://") || item.text.starts_with("https://") {
        return Ok(Some(item.text.trim_end_matches('/').to_string()));
    }
    Err(refuse("host", item, "it is no base URL; write it as `http://127.0.0.1:8000`"))
}

/// Names may have lost case and dashes on their way through the environment.
fn params(
    settings: &Effective,
    description: &Description,
    faults: &mut Faults,
) -> BTreeMap<String, String> {
    let mut params = BTreeMap::new();
    for item in settings.items("params") {
        let given = item.name.as_deref().unwrap_or_default();
        let known = description.parameters.iter().find(|known| fold(&known.name) == fold(given));
        match known {
            Some(known) => drop(params.insert(known.name.clone(), item.text.clone())),
            None => faults.0.push(unknown_parameter(given, &item.origin, description)),
        }
    }
    params
}

fn unknown_parameter(
    given: &str,
    origin: &impl std::fmt::Display,
    description: &Description,
) -> Failure {
    let names = || description.parameters.iter().map(|parameter| parameter.name.as_str());
    let failure = Failure::new(
        ExitCode::Parameters,
        format!(
            "the scenario `{}` has no parameter `{given}`, which {origin} gives",
            description.name
        ),
    )
    .of(format!("params.{given}"));
    match similar(given, names()) {
        Some(like) => failure.hint(format!("did you mean `{like}`?")),
        None if description.parameters.is_empty() => failure.hint("it has no parameters"),
        None => failure.hint(format!("it has {}", names().collect::<Vec<_>>().join(", "))),
    }
}

fn user_types(settings: &Effective) -> Result<BTreeMap<String, UserShare>, Failure> {
    let shares = settings.items("user-types").iter().map(|item| {
        let name = item.name.clone().unwrap_or_default();
        let share = match item.text.strip_prefix(':') {
            Some(count) => {
                let counted = crate::config::Item { text: count.to_string(), ..item.clone() };
                UserShare::Count(as_number("user-types", &counted)?)
            }
            None => UserShare::Weight(as_number("user-types", item)?),
        };
        Ok((name, share))
    });
    shares.collect()
}

/// The scenario's own, then those of the person who starts the run.
fn thresholds(settings: &Effective, description: &Description) -> Result<Vec<Threshold>, Failure> {
    let abort_after = settings.duration("abort-after")?;
    let own = description.thresholds.iter().map(|text| {
        Threshold::try_from(text).map_err(|error| {
            Failure::new(ExitCode::FaultyScenario, "a threshold of the scenario has no meaning")
                .because(&error)
        })
    });
    let given = settings.items("thresholds").iter().map(|item| {
        item.text
            .parse::<Threshold>()
            .map_err(|error| refuse("thresholds", item, &error.to_string()))
    });
    let mut thresholds = own.chain(given).collect::<Result<Vec<_>, Failure>>()?;
    for threshold in &mut thresholds {
        threshold.abort_after = threshold.abort_after.or(abort_after);
    }
    Ok(thresholds)
}

fn impossible(faults: &PlanErrors) -> Failure {
    let about_parameters = faults.0.iter().all(|fault| matches!(fault, PlanError::Param(_)));
    let code = if about_parameters { ExitCode::Parameters } else { ExitCode::Configuration };
    let failure = Failure::new(code, "the run cannot be made as asked for");
    faults.0.iter().fold(failure, |failure, fault| failure.because(fault))
}

/// One of them, with the setting at fault; `load` is that of the load.
fn one_fault(fault: &PlanError, load: &'static str) -> Failure {
    let (code, key) = match fault {
        PlanError::Param(
            ParamError::Unknown { name, .. }
            | ParamError::Missing { name, .. }
            | ParamError::Value { name, .. }
            | ParamError::Kind { name, .. },
        ) => (ExitCode::Parameters, Some(format!("params.{name}"))),
        PlanError::Profile(ProfileError::NoTime) => (ExitCode::Configuration, key("run-time")),
        PlanError::Profile(ProfileError::RequestRate(_)) => {
            (ExitCode::Configuration, key("max-rps"))
        }
        PlanError::Profile(_) => (ExitCode::Configuration, key(load)),
        PlanError::Mix { .. } | PlanError::FixedCounts { .. } => {
            (ExitCode::Configuration, key("user-types"))
        }
        PlanError::Unknown { what: "tag", .. } => (ExitCode::Configuration, key("tags")),
        PlanError::Unknown { what: "task", .. } => (ExitCode::Configuration, key("tasks")),
        PlanError::Unknown { name, .. } | PlanError::Data(name) => {
            (ExitCode::Configuration, Some(format!("data.{name}")))
        }
        PlanError::NoTask(_) => (ExitCode::Configuration, None),
        PlanError::Target(_) => (ExitCode::Configuration, key("host")),
    };
    let failure = Failure::new(code, fault.to_string()).hint("");
    match key {
        Some(key) => failure.of(key),
        None => failure,
    }
}

fn key(key: &str) -> Option<String> {
    Some(key.to_string())
}

#[cfg(test)]
mod tests;
