//! `loadhost cluster`: a whole fleet as its NATS server knows it, whether or not a master leads.

use std::fmt::Write;
use std::time::Duration;

use loadhost_cluster::masters::MasterPresence;
use loadhost_cluster::overview::{Overview, StreamStatus, overview};

use super::status::worker_line;
use super::{Layers, runtime};
use crate::args::{ClusterCommand, ClusterStatusArgs};
use crate::broker;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::format::{bytes, grouped};
use crate::output::print;

/// For masters to say that they are there.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks, and prints the answer.
pub(crate) fn cluster(command: ClusterCommand) -> Outcome {
    let ClusterCommand::Status(ClusterStatusArgs { json, settings }) = command;
    let settings = Layers::read(settings)?.effective();
    let urls = broker::urls(&settings).ok_or_else(|| {
        Failure::new(ExitCode::Configuration, "it is not said which NATS server to ask")
            .hint("give `--nats nats://HOST:PORT`")
    })?;
    let cluster = broker::cluster(&settings)?;
    let seen = runtime(Some(1))?.block_on(async {
        let connection = broker::join_to_ask(&settings, urls).await?;
        let seen = overview(&connection, &cluster, PATIENCE).await;
        seen.map_err(|error| broker::not_joined(&error))
    })?;
    let text = match json {
        true => serde_json::to_string(&seen).map_err(|error| {
            Failure::new(ExitCode::Unexpected, "what was seen cannot be made into JSON")
                .because(&error)
        })?,
        false => words(&seen),
    };
    print(&(text.trim_end().to_string() + "\n"));
    Ok(if seen.fleet.is_some() { ExitCode::Ok } else { ExitCode::NoLeader })
}

fn words(seen: &Overview) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "cluster {} · nats-server {}", seen.cluster, seen.broker_version);
    match (&seen.fleet, &seen.elected) {
        (Some(fleet), elected) => {
            let leader = elected.as_ref().map_or("a master", |elected| elected.id.as_str());
            let _ = writeln!(text, "leader {leader} · term {}", fleet.term.0);
        }
        (None, elected) => {
            let why = seen.unanswered.as_deref().unwrap_or("nobody answers");
            let last = elected.as_ref().map(|last| {
                let how = if last.released { "released" } else { "not released" };
                format!(" · the last was {} in term {}, {how}", last.id, last.epoch.0)
            });
            let _ = writeln!(text, "no leader: {why}{}", last.unwrap_or_default());
        }
    }
    seen.masters.iter().for_each(|master| text.push_str(&master_line(master)));
    if let Some(fleet) = &seen.fleet {
        fleet.workers.iter().for_each(|worker| text.push_str(&worker_line(worker)));
        if fleet.workers.is_empty() {
            text.push_str("no worker has joined\n");
        }
        for (run, state) in &fleet.runs {
            let state = serde_json::to_value(state).unwrap_or_default();
            let _ = writeln!(text, "run {run} · {}", state.as_str().unwrap_or_default());
        }
    }
    seen.streams.iter().for_each(|stream| text.push_str(&stream_line(stream)));
    let _ = writeln!(text, "{} intervals are not in a checkpoint yet", grouped(seen.lag));
    text
}

fn master_line(master: &MasterPresence) -> String {
    let role = match (master.term, master.acting) {
        (Some(_), true) => "leads".to_string(),
        (Some(_), false) => "leads, and cannot renew its lease".to_string(),
        (None, _) => "stands by".to_string(),
    };
    let role = if master.draining { format!("{role}, draining") } else { role };
    let url = master.url.as_deref().map(|url| format!(" · {url}")).unwrap_or_default();
    format!(
        "master {} · {role} · priority {} · {}{url}\n",
        master.id, master.priority, master.release
    )
}

fn stream_line(stream: &StreamStatus) -> String {
    let most = match u64::try_from(stream.most_bytes) {
        Ok(most) => format!(" of {}", bytes(most)),
        Err(_) => String::new(),
    };
    let copies = match stream.current {
        Some(current) => format!(" · {current} of {} copies up to date", stream.replicas),
        None => String::new(),
    };
    let leader = stream.leader.as_deref().map(|leader| format!(" · led by {leader}"));
    format!(
        "stream {} · {} messages · {}{most}{copies}{}\n",
        stream.name,
        grouped(stream.messages),
        bytes(stream.bytes),
        leader.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use loadhost_cluster::ctl::FleetStatus;
    use loadhost_cluster::lease::LeaderRecord;
    use loadhost_model::id::{ClusterId, Incarnation, Term};

    fn seen() -> Overview {
        let record = LeaderRecord {
            id: "m1-7".into(),
            incarnation: Incarnation(7),
            priority: 2,
            epoch: Term(3),
            heartbeat: 90,
            released: false,
        };
        let stream = StreamStatus {
            name: "LH_STATS_default".into(),
            messages: 1_200,
            bytes: 4 << 20,
            most_bytes: 256 << 20,
            replicas: 3,
            current: Some(2),
            leader: Some("n2".into()),
        };
        let master = MasterPresence {
            id: "m1-7".into(),
            incarnation: Incarnation(7),
            priority: 2,
            release: "0.1.0".into(),
            term: Some(Term(3)),
            acting: true,
            url: Some("http://127.0.0.1:8089".into()),
            draining: false,
        };
        Overview {
            cluster: ClusterId::new("default").unwrap(),
            broker_version: "2.9.10".into(),
            elected: Some(record),
            masters: vec![master],
            fleet: Some(FleetStatus { term: Term(3), ..FleetStatus::default() }),
            unanswered: None,
            streams: vec![stream],
            lag: 1_200,
        }
    }

    #[test]
    fn a_cluster_in_words() {
        assert_eq!(
            words(&seen()),
            "cluster default · nats-server 2.9.10\n\
             leader m1-7 · term 3\n\
             master m1-7 · leads · priority 2 · 0.1.0 · http://127.0.0.1:8089\n\
             no worker has joined\n\
             stream LH_STATS_default · 1,200 messages · 4.2 MB of 268.4 MB · 2 of 3 copies up to date · led by n2\n\
             1,200 intervals are not in a checkpoint yet\n"
        );
    }

    #[test]
    fn a_master_that_is_draining_is_seen() {
        let mut one = seen();
        (one.masters[0].draining, one.masters[0].term) = (true, None);
        let text = words(&one);
        assert!(text.contains("master m1-7 · stands by, draining · priority 2"), "{text}");
    }

    #[test]
    fn a_cluster_without_a_leader_says_why_and_who_was_last() {
        let mut gone = seen();
        (gone.fleet, gone.unanswered) =
            (None, Some("nobody has taken the lead yet, or since".into()));
        let text = words(&gone);
        let line = "no leader: nobody has taken the lead yet, or since · the last was m1-7 in term 3, not released";
        assert!(text.contains(line), "{text}");
    }
}
