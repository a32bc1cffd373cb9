//! `loadhost status`: what a master and its fleet are doing.

use std::fmt::Write;

use loadhost_control::view::{Liveness, WorkerView};
use loadhost_control::{FleetView, RunView};

use super::{Layers, runtime};
use crate::args::StatusArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::Outcome;
use crate::output::format::{grouped, percent};
use crate::output::print;
use crate::progress;

/// Asks, and prints the answer.
pub(crate) fn status(args: StatusArgs) -> Outcome {
    let settings = Layers::read(args.settings)?.effective();
    let (text, view) =
        runtime(Some(1))?.block_on(async { Client::new(&settings)?.state().await })?;
    print(&if args.json { text + "\n" } else { words(&view) });
    Ok(ExitCode::Ok)
}

fn words(view: &FleetView) -> String {
    let mut text = String::new();
    view.workers.iter().for_each(|worker| text.push_str(&worker_line(worker)));
    if view.workers.is_empty() {
        text.push_str("no worker has joined\n");
    }
    for run in &view.runs {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "run {}\n  {}", named(run), progress::words(run));
    }
    if view.runs.is_empty() {
        text.push_str("no run\n");
    }
    text
}

/// A worker, and whether it is to be relied on.
pub(super) fn worker_line(worker: &WorkerView) -> String {
    let liveness = match worker.liveness {
        Liveness::Alive => String::new(),
        Liveness::Suspect => format!(" · silent for {} s", worker.silent_for.as_secs()),
        Liveness::Lost => format!(" · lost {} s ago", worker.silent_for.as_secs()),
    };
    let draining = if worker.draining { " · draining" } else { "" };
    let clash = if worker.name_clash { " · two processes have this name" } else { "" };
    format!(
        "worker {} · {} of {} users · CPU {}{draining}{liveness}{clash}\n",
        worker.worker,
        grouped(worker.users.into()),
        grouped(worker.capacity.into()),
        percent(worker.cpu.min(1.0))
    )
}

fn named(run: &RunView) -> String {
    let target = run.target.as_deref().map(|target| format!(" → {target}")).unwrap_or_default();
    format!("{} · {}{target}", run.run, run.scenario)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use std::sync::Arc;

    #[test]
    fn a_fleet_in_words() {
        let mut view = FleetView::default();
        assert_eq!(words(&view), "no worker has joined\nno run\n");
        view.runs = vec![Arc::new(fixture::view())];
        let text = words(&view);
        assert!(
            text.contains("run 01J9ZX3V6Q0000000000000001 · checkout → http://127.0.0.1:8000\n  00:42/01:30 · "),
            "{text}"
        );
    }
}
