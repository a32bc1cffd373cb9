//! What page and API need of this program: uploads are checked in a child, runs are planned from settings.
//!
//! A request's values become one more layer over the master's own settings and the scenario's proposals, so that
//! there is one vocabulary, one set of defaults and one check. What a request may hold is a closed list
//! ([`table::requestable`]): no file of this machine, no address that it listens to, no key of the broker.
//!
//! Of the master's own settings those hold for runs that a request may hold as well, and `ca`. Secrets, parameters
//! and data sets are given by who asks for the run: otherwise whoever may start runs could send the
//! master's secrets to a host of their choice.

mod child;
mod command;
mod request;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use loadhost_model::data::DataSet;
use loadhost_web::workbench::{
    Checked, Fault, Held, Planned, Setting, Wanted, Workbench, WorkbenchError,
};

use crate::commands::Layers;
use crate::config::{Effective, Layer, OPTIONS, Opt, from_scenario};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::plan::{Module, Waiting, plan_or_all_faults, wrong_for_all};

use self::child::Checks;
pub(crate) use self::table::requestable;

/// Checks and plans for the page of a master.
pub(crate) struct Bench {
    /// What the master was told, as far as it holds for runs; weakest first.
    own: Vec<Layer>,
    table: Vec<Setting>,
    checks: Checks,
}

impl Bench {
    /// Of a master with these settings.
    ///
    /// # Errors
    /// If one of them could hold for no run.
    pub(crate) fn new(layers: &Layers) -> Result<Bench, Failure> {
        let own: Vec<_> = layers.each().map(|layer| layer.clone().only(table::inherited)).collect();
        let settings = Effective::of(own.clone());
        wrong_for_all(&settings).map_or(Ok(()), Err)?;
        Ok(Bench { own, table: table::settings(&settings), checks: Checks::default() })
    }

    /// Names and values of counters that only go up.
    pub(crate) fn counters(&self) -> Vec<(&'static str, u64)> {
        self.checks.counters()
    }

    /// What holds for this run, and what is wrong with what was asked for.
    fn settle(&self, wanted: &Wanted<'_>) -> (Effective, BTreeMap<String, DataSet>, Vec<Fault>) {
        let request::Read { layer, data, mut faults } = request::read(wanted);
        let proposed = from_scenario(&wanted.description.settings).unwrap_or_else(|failure| {
            faults.push(fault(&failure));
            Layer::default()
        });
        let layers = std::iter::once(proposed).chain(self.own.clone()).chain([layer]);
        (Effective::of(layers), data, faults)
    }
}

impl Workbench for Bench {
    fn check(&self, wasm: Bytes) -> BoxFuture<'_, Result<Checked, WorkbenchError>> {
        Box::pin(self.checks.check(wasm))
    }

    fn plan(&self, wanted: &Wanted<'_>) -> Result<Planned, Vec<Fault>> {
        let (settings, data, mut faults) = self.settle(wanted);
        let module = Module { digest: wanted.module, description: wanted.description, data: &data };
        let plan = kept(plan_or_all_faults(&settings, module), &mut faults);
        let waiting = kept(Waiting::or_all_faults(&settings), &mut faults);
        match (plan, waiting) {
            (Some(plan), Some(waiting)) if faults.is_empty() => Ok(Planned {
                command: command::line(wanted, &settings, &plan),
                effective: held(&settings, &plan.secret_params),
                plan,
                expect_workers: waiting.expect_workers,
                max_wait: waiting.max_wait,
            }),
            _ => Err(faults),
        }
    }

    fn settings(&self) -> &[Setting] {
        &self.table
    }
}

/// What was asked for, unless there are faults.
fn kept<T>(value: Result<T, Vec<Failure>>, faults: &mut Vec<Fault>) -> Option<T> {
    value.map_err(|failures| add(faults, &failures)).ok()
}

/// One fault a setting: a value that could not be read is not missed as well.
fn add(faults: &mut Vec<Fault>, failures: &[Failure]) {
    for failure in failures {
        let known = |fault: &Fault| fault.key.is_some() && fault.key.as_deref() == failure.key();
        if !faults.iter().any(known) {
            faults.push(fault(failure));
        }
    }
}

fn fault(failure: &Failure) -> Fault {
    let code = match failure.code {
        ExitCode::Parameters => "parameter",
        ExitCode::FaultyScenario => "scenario",
        ExitCode::Unexpected => "unexpected",
        _ => "setting",
    };
    Fault {
        key: failure.key().map(str::to_string),
        code: code.to_string(),
        message: failure.line(),
        hint: failure.remedy().to_string(),
    }
}

/// What holds, in the order of help texts.
fn held(settings: &Effective, secret_params: &[String]) -> Vec<Held> {
    let of = |option: &'static Opt| {
        settings.items(option.key).iter().map(move |item| {
            let name = item.name.as_ref().map(|name| format!(".{name}")).unwrap_or_default();
            Held {
                key: format!("{}{name}", option.key),
                value: if is_secret(option, item.name.as_deref(), secret_params) {
                    "***".to_string()
                } else {
                    item.text.clone()
                },
                origin: item.origin.to_string(),
            }
        })
    };
    let shown =
        OPTIONS.iter().filter(|option| table::requestable(option.key) || option.key == "ca");
    let mut all: Vec<_> = shown.flat_map(of).collect();
    for (index, phase) in settings.phases.iter().enumerate() {
        all.extend(phase.iter().map(|(key, item)| Held {
            key: format!("phases.{}.{key}", index + 1),
            value: item.text.clone(),
            origin: item.origin.to_string(),
        }));
    }
    all
}

/// Whether a value is never shown.
fn is_secret(option: &Opt, name: Option<&str>, secret_params: &[String]) -> bool {
    let is_secret_param = || {
        let name = name.map(crate::config::fold);
        secret_params.iter().any(|secret| Some(crate::config::fold(secret)) == name)
    };
    option.secret || (option.key == "params" && is_secret_param())
}
