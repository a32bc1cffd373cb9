//! From settings and a scenario's description to the plan of a run.

mod data;
pub(crate) mod limits;
mod load;
mod requests;

use std::collections::BTreeMap;

use loadhost_model::data::DataSet;
use loadhost_model::description::Description;
use loadhost_model::id::{Digest, RunId};
use loadhost_model::plan::{FleetSettings, PlanError, PlanErrors, RunPlan, TaskFilter, UserShare};
use loadhost_model::threshold::Threshold;

pub(crate) use self::data::data_files;
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

/// The plan of a new run. All that is wrong is an invalid configuration or parameter.
pub(crate) fn plan(settings: &Effective, module: Module<'_>) -> Result<RunPlan, Failure> {
    let description = module.description;
    let plan = RunPlan {
        run: new_run()?,
        scenario: description.name.clone(),
        module: module.digest,
        target: target(settings)?,
        params: params(settings, description)?,
        // Filled in by the check.
        secret_params: Vec::new(),
        data: module.data.clone(),
        seed: seed(settings)?,
        profile: load::profile(settings, description)?,
        user_types: user_types(settings)?,
        tasks: TaskFilter {
            include: settings.texts("tags"),
            exclude: settings.texts("exclude-tags"),
            names: settings.texts("tasks"),
        },
        http: requests::http(settings)?,
        limits: limits(settings)?,
        thresholds: thresholds(settings, description)?,
        graceful_stop: settings.duration("graceful-stop")?.unwrap_or_default(),
        warm_up: settings.duration("warm-up")?,
        fleet: fleet(settings)?,
    };
    plan.checked(description).map_err(|faults| impossible(&faults))
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
) -> Result<BTreeMap<String, String>, Failure> {
    let mut params = BTreeMap::new();
    for item in settings.items("params") {
        let given = item.name.as_deref().unwrap_or_default();
        let known = description.parameters.iter().find(|known| fold(&known.name) == fold(given));
        let Some(known) = known else {
            return Err(unknown_parameter(given, &item.origin, description));
        };
        params.insert(known.name.clone(), item.text.clone());
    }
    Ok(params)
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
    );
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

#[cfg(test)]
mod tests;
