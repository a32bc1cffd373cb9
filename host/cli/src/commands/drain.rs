//! `loadhost drain`: workers and masters out of service, and back.

use std::time::Duration;

use loadhost_control::FleetView;
use loadhost_control::view::Liveness;
use loadhost_model::id::WorkerId;
use loadhost_model::text::{format_duration, parse_duration};
use loadhost_web::api::dto::Fleet;
use tokio::time::{Instant, sleep_until};

use super::{Layers, runtime};
use crate::args::DrainArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::format::grouped;
use crate::output::print;

/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(500);
/// Without `--timeout`.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who is asked for, by name.
struct Whom {
    workers: Vec<WorkerId>,
    masters: Vec<String>,
}

/// Asks for one after the other; who was drained before one that is refused stays so.
pub(crate) fn drain(args: DrainArgs) -> Outcome {
    let workers = names(&args.workers)?;
    let patience = args.timeout.as_deref().map(parse_duration).transpose();
    let patience = patience.map_err(|error| {
        Failure::new(ExitCode::Configuration, "`--timeout` makes no sense").because(&error)
    })?;
    let settings = Layers::read(args.settings)?.effective();
    runtime(Some(1))?.block_on(async {
        let client = Client::new(&settings)?;
        let mut whom = Whom { workers, masters: args.masters };
        if args.this_master {
            let (_, fleet): (_, Fleet) = client.get("workers").await?;
            whom.masters.push(fleet.master);
        }
        ask(&client, &whom, !args.undo).await?;
        match args.wait {
            true => wait(&client, &whom, patience.unwrap_or(PATIENCE)).await,
            false => Ok(ExitCode::Ok),
        }
    })
}

async fn ask(client: &Client, whom: &Whom, drained: bool) -> Result<(), Failure> {
    for worker in &whom.workers {
        client.drain(worker, drained).await?;
        print(&match drained {
            true => format!("worker {worker} gets no new work\n"),
            false => format!("worker {worker} is in service again\n"),
        });
    }
    for master in &whom.masters {
        client.drain_master(master, drained).await?;
        print(&match drained {
            true => format!("master {master} does not lead, and says that it is not ready\n"),
            false => format!("master {master} is in service again\n"),
        });
    }
    Ok(())
}

fn names(texts: &[String]) -> Result<Vec<WorkerId>, Failure> {
    let name = |text: &String| {
        WorkerId::new(text.as_str()).map_err(|error| {
            Failure::new(ExitCode::Configuration, error.to_string())
                .hint("`loadhost status` shows the workers there are")
        })
    };
    texts.iter().map(name).collect()
}

/// Until none of them has anything to do.
async fn wait(client: &Client, whom: &Whom, patience: Duration) -> Outcome {
    let until = Instant::now() + patience;
    let mut said = String::new();
    loop {
        let busy = still(client, whom).await?;
        if busy.is_empty() {
            if !whom.workers.is_empty() {
                print("all of them are idle\n");
            }
            if !whom.masters.is_empty() {
                print("others lead\n");
            }
            return Ok(ExitCode::Ok);
        }
        let line = busy.join(", ");
        if line != said {
            print(&format!("waiting: {line}\n"));
            said = line;
        }
        if Instant::now() >= until {
            let after = format_duration(patience);
            let what = format!("not idle after {after}: {said}");
            let hint = "they stay drained; wait longer with `--timeout`, look whether others have room for their \
                        users, or let them work again with `--undo`";
            return Err(Failure::new(ExitCode::Refused, what).hint(hint));
        }
        sleep_until((Instant::now() + LOOK).min(until)).await;
    }
}

/// What is still to be done, for people.
async fn still(client: &Client, whom: &Whom) -> Result<Vec<String>, Failure> {
    let mut still = Vec::new();
    if !whom.workers.is_empty() {
        still = busy(&client.state().await?.1, &whom.workers);
    }
    if !whom.masters.is_empty() {
        let (_, fleet): (_, Fleet) = client.get("workers").await?;
        still.extend(in_charge(&fleet, &whom.masters));
    }
    Ok(still)
}

/// Which of these masters others would still miss. Who is gone is missed by nobody.
fn in_charge(fleet: &Fleet, masters: &[String]) -> Vec<String> {
    let others = |id: &String| fleet.masters.iter().any(|other| other.leads && other.id != *id);
    let of = |id: &String| {
        let master = fleet.masters.iter().find(|master| master.id == *id)?;
        let done = master.draining && !master.leads && others(id);
        (!done).then(|| match (master.draining, master.leads) {
            (true, false) => format!("{id} (nobody else leads yet)"),
            _ => format!("{id} (it leads or stands for election)"),
        })
    };
    masters.iter().filter_map(of).collect()
}

/// What is still to be done by these workers, for people. Who is gone does nothing.
fn busy(view: &FleetView, workers: &[WorkerId]) -> Vec<String> {
    let of = |id: &WorkerId| {
        let worker = view.workers.iter().find(|worker| worker.worker == *id)?;
        // What was seen before the order says nothing.
        let idle = worker.users == 0 && worker.run.is_none() && worker.share.is_none();
        let lost = if worker.liveness == Liveness::Lost { ", lost" } else { "" };
        let users = grouped(worker.users.into());
        (!(worker.draining && idle)).then(|| format!("{id} ({users} users{lost})"))
    };
    workers.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_web::api::dto::Master;

    /// Names, whether they lead, and whether they drain.
    fn fleet(masters: &[(&str, bool, bool)]) -> Fleet {
        let masters = masters.iter().map(|(id, leads, draining)| Master {
            id: (*id).to_string(),
            url: None,
            leads: *leads,
            draining: *draining,
        });
        Fleet { masters: masters.collect(), ..Fleet::of(&FleetView::default(), "m1".to_string()) }
    }

    #[test]
    fn a_master_is_waited_for_until_another_leads() {
        let still = |masters| in_charge(&fleet(masters), &["m1".to_string()]);
        assert_eq!(still(&[("m1", true, false)]), ["m1 (it leads or stands for election)"]);
        assert_eq!(still(&[("m1", true, true)]), ["m1 (it leads or stands for election)"]);
        let nobody = ["m1 (nobody else leads yet)"];
        assert_eq!(still(&[("m1", false, true), ("m2", false, false)]), nobody);
        assert!(still(&[("m1", false, true), ("m2", true, false)]).is_empty());
        assert!(still(&[("m2", false, false)]).is_empty(), "who is gone is missed by nobody");
    }
}
