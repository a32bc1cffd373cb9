//! The document that pages follow: the fleet, all runs in a line each, one run in full.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadhost_control::view::RunState;
use loadhost_control::{FleetView, RunView};
use loadhost_model::id::RunId;
use serde::Serialize;
use serde_json::Value;

use super::patch::without_nulls;
use super::witness::Witness;
use crate::api::dto::{Fleet, RunDetail, RunShort};
use crate::archive::Remarks;
use crate::site::WhoLeads;

/// What is the same in the documents of all runs.
#[derive(Serialize)]
struct Common {
    fleet: Fleet,
    runs: BTreeMap<String, RunShort>,
}

/// Makes documents.
pub struct Maker {
    /// Who leads, as far as this master knows.
    pub standing: WhoLeads,
    /// What people wrote about runs.
    pub remarks: Remarks,
    /// What views show only for a time.
    pub witness: Witness,
}

/// The documents of one view: each run's is made once, however many feeds tell of it.
pub(super) struct Docs<'a> {
    maker: &'a Maker,
    view: &'a FleetView,
    common: Option<Value>,
    made: BTreeMap<Option<&'a RunId>, Arc<Value>>,
}

impl<'a> Docs<'a> {
    pub(super) fn new(maker: &'a Maker, view: &'a FleetView) -> Self {
        Self { maker, view, common: None, made: BTreeMap::new() }
    }

    /// The document of this run, without nulls.
    pub(super) fn of(&mut self, run: Option<&'a RunView>) -> Arc<Value> {
        let id = run.map(|run| &run.run);
        if let Some(made) = self.made.get(&id) {
            return made.clone();
        }
        let (maker, view) = (self.maker, self.view);
        let mut doc = self.common.get_or_insert_with(|| maker.common(view)).clone();
        if let (Some(run), Some(fields)) = (run, doc.as_object_mut()) {
            let detail = serde_json::to_value(maker.detail(run)).unwrap_or_default();
            fields.insert("run".into(), without_nulls(detail));
        }
        let doc = Arc::new(doc);
        self.made.insert(id, doc.clone());
        doc
    }
}

impl Maker {
    fn common(&self, view: &FleetView) -> Value {
        let shown = view.runs.iter().filter(|run| !self.remarks.is_deleted(run.run.as_str()));
        let short = |run: &Arc<RunView>| {
            (run.run.to_string(), self.remarks.on_short(RunShort::from(run.as_ref())))
        };
        let common = Common { fleet: self.fleet(view), runs: shown.map(short).collect() };
        without_nulls(serde_json::to_value(common).unwrap_or_default())
    }

    /// A run that the view shows, in full.
    pub fn detail(&self, run: &RunView) -> RunDetail {
        let breaches = self.witness.breaches(&run.run);
        self.remarks.on_detail(RunDetail { breaches, ..RunDetail::from(run) })
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

    /// The run of this name, or else the newest that goes on, or else the last. Not one that somebody deleted.
    pub fn chosen<'a>(&self, view: &'a FleetView, named: Option<&RunId>) -> Option<&'a RunView> {
        let shown = view.runs.iter().map(AsRef::as_ref);
        let mut shown = shown.filter(|run| !self.remarks.is_deleted(run.run.as_str()));
        match named {
            Some(named) => shown.find(|run| run.run == *named),
            None => {
                let mut newest = shown.clone().rev();
                let on = newest.find(|run| run.state != RunState::Finished);
                on.or_else(|| shown.next_back())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::export::fixture;
    use crate::site::Standing;

    fn maker() -> Maker {
        let (remarks, witness) = (Remarks::default(), Witness::default());
        Maker { standing: Arc::new(Standing::default), remarks, witness }
    }

    fn view() -> FleetView {
        let older = RunView { run: RunId::new("r1").unwrap(), ..fixture::view() };
        let newer = RunView { run: RunId::new("r2").unwrap(), ..fixture::view() };
        FleetView { runs: vec![Arc::new(older), Arc::new(newer)], ..FleetView::default() }
    }

    #[test]
    fn the_document_of_a_run_is_made_once_for_all_who_tell_of_it() {
        let (maker, view) = (maker(), view());
        let mut docs = Docs::new(&maker, &view);
        let named = docs.of(maker.chosen(&view, Some(&view.runs[1].run)));
        let newest = docs.of(maker.chosen(&view, None));
        assert!(Arc::ptr_eq(&named, &newest));
        let other = docs.of(view.run(&view.runs[0].run));
        assert_eq!((&other["run"]["run"], &named["run"]["run"]), (&"r1".into(), &"r2".into()));
        assert_eq!((&other["runs"], &other["fleet"]), (&named["runs"], &named["fleet"]));
        assert!(docs.of(None).get("run").is_none());
    }

    #[test]
    fn a_deleted_run_is_not_told_of() {
        let (maker, view) = (maker(), view());
        maker.remarks.bury(["r2".to_string()]);
        assert_eq!(maker.chosen(&view, None).unwrap().run.as_str(), "r1");
        assert!(maker.chosen(&view, Some(&view.runs[1].run)).is_none());
        let told = Docs::new(&maker, &view).of(None);
        assert_eq!(told["runs"].as_object().unwrap().keys().collect::<Vec<_>>(), ["r1"]);
    }
}
