//! `docs/metrics.md` lists what `/metrics` tells, no more and no less.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use loadhost_control::distribution::RunTimes;
use loadhost_control::{FleetView, Handle};
use opentelemetry_sdk::Resource;
use tokio::sync::watch;

use super::{BrokerState, Collector, Ops, Role, Work};
use crate::export::fixture;
use crate::testing::fleet::status;

/// A metric, as far as the text tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
    roles: BTreeSet<&'static str>,
}

fn collector() -> Collector {
    let send = Arc::new(|_: Vec<u8>| -> futures_util::future::BoxFuture<'static, _> {
        Box::pin(async { Ok(()) })
    });
    let every = std::time::Duration::from_secs(10);
    Collector { send, every, resource: Resource::builder().build() }
}

fn with_all(ops: Ops) -> Ops {
    ops.counting(|| vec![("connects", 1)])
        .with_broker(|| BrokerState { connected: true, reconnects: 2 })
        .pushed_to(Some(collector()))
}

async fn of_master() -> String {
    let (handle, desk) = Handle::pair();
    let view = FleetView { runs: vec![Arc::new(fixture::view())], ..FleetView::default() };
    desk.views.send(Arc::new(view)).unwrap();
    let mut commands = desk.commands;
    let answers = tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            if let loadhost_control::Command::Times(_, answer) = command {
                let run = fixture::view().run;
                let times = vec![Default::default()];
                let counted_from = Default::default();
                let run = RunTimes { run, started: None, counted_from, is_over: false, times };
                let _ = answer.send(vec![run]);
            }
        }
    });
    let text = with_all(Ops::new(Role::Master(handle))).metrics().unwrap().text().await.unwrap();
    answers.abort();
    text
}

async fn of_worker() -> String {
    let (_sender, receiver) = watch::channel(Some(status("w1", 3)));
    let work = || Work { modules: vec![("hit", 1)], memory_limit: Some(1), ..Work::default() };
    let ops =
        with_all(Ops::new(Role::Worker(receiver))).with_work(work).keeping_modules(|| Some(1));
    ops.metrics().unwrap().text().await.unwrap()
}

fn read(text: &str, role: &'static str, told: &mut BTreeMap<String, Told>) {
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            current = name.to_string();
            let one = told.entry(current.clone()).or_default();
            one.help = if one.help.is_empty() || one.help == help {
                help.to_string()
            } else {
                format!("{}; {role}: {help}", one.help)
            };
            one.roles.insert(role);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            told.get_mut(&current).unwrap().kind = rest.rsplit_once(' ').unwrap().1.to_string();
        } else if let Some((_, rest)) = line.split_once('{') {
            let labels = rest.rsplit_once('}').unwrap().0;
            let names = labels.split(',').filter_map(|pair| pair.split_once('='));
            let names = names.map(|(name, _)| name.to_string()).filter(|name| name != "le");
            told.get_mut(&current).unwrap().labels.extend(names);
        }
    }
}

#[tokio::test]
async fn each_metric_is_documented_and_each_documented_metric_is_told() {
    let mut told = BTreeMap::new();
    read(&of_master().await, "master", &mut told);
    read(&of_worker().await, "worker", &mut told);
    let mut table = String::from("| name | type | labels | of | what |\n|---|---|---|---|---|\n");
    for (name, one) in &told {
        let labels: Vec<_> = one.labels.iter().map(|label| format!("`{label}`")).collect();
        let roles: Vec<_> = one.roles.iter().copied().collect();
        let (labels, roles) = (labels.join(", "), roles.join(", "));
        writeln!(table, "| `{name}` | {} | {labels} | {roles} | {} |", one.kind, one.help).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = kept.split_once("<!-- metrics -->\n").unwrap();
    let (kept_table, after) = rest.split_once("<!-- end -->\n").unwrap();
    if std::env::var_os("LOADHOST_UPDATE_DOCS").is_some() {
        let page = format!("{before}<!-- metrics -->\n{table}<!-- end -->\n{after}");
        std::fs::write(&path, page).unwrap();
        return;
    }
    assert!(kept_table == table, "docs/metrics.md is old; LOADHOST_UPDATE_DOCS=1 writes it anew");
}
