//! The document that pages follow: the fleet, all runs in a line each, one run in full.

use std::collections::BTreeMap;

use loadhost_control::view::RunState;
use loadhost_control::{FleetView, RunView};
use loadhost_model::id::RunId;
use serde::Serialize;
use serde_json::Value;

use super::patch::without_nulls;
use crate::api::dto::{Fleet, RunDetail, RunShort};
use crate::archive::Remarks;
use crate::site::WhoLeads;

#[derive(Serialize)]
struct Doc {
    fleet: Fleet,
    runs: BTreeMap<String, RunShort>,
    run: Option<RunDetail>,
}

/// Makes documents.
pub struct Maker {
    /// Who leads, as far as this master knows.
    pub standing: WhoLeads,
    /// What people wrote about runs.
    pub remarks: Remarks,
}

impl Maker {
    /// The document of this run, without nulls.
    pub fn doc(&self, view: &FleetView, run: Option<&RunView>) -> Value {
        let short =
            |run: &RunView| (run.run.to_string(), self.remarks.on_short(RunShort::from(run)));
        let doc = Doc {
            fleet: self.fleet(view),
            runs: view.runs.iter().map(|run| short(run)).collect(),
            run: run.map(|run| self.remarks.on_detail(RunDetail::from(run))),
        };
        without_nulls(serde_json::to_value(doc).unwrap_or_default())
    }

    /// Masters and workers.
    pub fn fleet(&self, view: &FleetView) -> Fleet {
        let standing = (self.standing)();
        Fleet {
            leader: standing.leader,
            trouble: standing.trouble,
            masters: standing.masters,
            ..Fleet::of(view, standing.master)
        }
    }
}

/// The run of this name, or else the newest that goes on, or else the last.
pub fn chosen<'a>(view: &'a FleetView, named: Option<&RunId>) -> Option<&'a RunView> {
    match named {
        Some(run) => view.run(run),
        None => {
            let mut newest = view.runs.iter().rev();
            let on = newest.find(|run| run.state != RunState::Finished);
            on.or_else(|| view.runs.last()).map(AsRef::as_ref)
        }
    }
}
