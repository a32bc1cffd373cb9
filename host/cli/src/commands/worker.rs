//! `loadhost worker`: makes load for a master until it is told to stop.

mod processes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_cluster::subjects::Names;
use loadhost_cluster::{AgentConfig as LinkConfig, AgentLink, Connection, ModuleStore};
use loadhost_engine::agent::{self, AgentConfig, Channels};
use loadhost_engine::capacity::{Allowance, raise_open_files};
use loadhost_engine::http::Grants;
use loadhost_engine::load::governor::Ceilings;
use loadhost_engine::sandbox::WasmWorkshop;
use loadhost_engine::scenario::StructureCaps;
use loadhost_model::id::{Incarnation, WorkerId};
use loadhost_web::ops::{Ops, Role};
use tokio_util::sync::CancellationToken;

use super::{Layers, machine_name, runtime};
use crate::args::Settings;
use crate::broker::{self, StoredModules};
use crate::config::{Effective, refuse};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::plan::limits::parse_size;
use crate::signals::Stop;
use crate::{ops, scenario_file};

use processes::Part;

const HEARTBEAT: Duration = Duration::from_secs(1);
/// For others to take over its share.
const DRAIN: Duration = Duration::from_secs(10);
/// For the last intervals to be handed over.
const FAREWELL: Duration = Duration::from_secs(10);

/// Works until it is told to stop.
pub(crate) fn worker<const COMMAND: u8>(settings: Settings<COMMAND>) -> Outcome {
    let settings = Layers::read(settings)?.effective();
    let part = Part::given();
    let processes = if part.is_some() { 1 } else { processes::wanted(&settings)? };
    if processes > 1 {
        return processes::supervise(&id(&settings)?, processes);
    }
    let settings = match &part {
        Some(part) => part.of(settings)?,
        None => settings,
    };
    raise_open_files();
    runtime(Some(2))?.block_on(async {
        let stop = Stop::listen()?;
        if part.is_some() {
            processes::stop_with_parent(stop.first.clone())?;
        }
        Stop::is_no_failure(work(&settings, part, &stop).await)
    })
}

async fn work(settings: &Effective, part: Option<Part>, stop: &Stop) -> Outcome {
    let id = id(settings)?;
    let (memory, cpu) = (memory_limit(settings)?, cpu_limit(settings)?);
    let (weight, tags) = (weight(settings)?, tags(settings));
    let trust = broker::trust(settings)?;
    let urls = broker::urls(settings).ok_or_else(|| {
        Failure::new(ExitCode::Configuration, "a worker needs a NATS server")
            .hint("give `--nats nats://HOST:PORT`")
    })?;
    let cluster = broker::cluster(settings)?;
    let refused = broker::addresses(&urls);
    let connection = stop.or(broker::join_as_worker(settings, urls, &id)).await?;
    let config = LinkConfig::new(cluster.clone(), id.clone());
    let link = async {
        let joined = AgentLink::join(&connection, config).await;
        joined.map_err(|error| broker::not_joined(&error))
    };
    let link = stop.or(link).await?;
    let server_stop = CancellationToken::new();
    let faces = faces(&connection, &link);
    let listener = ops::bind(settings, "worker.listen", None).await?;
    let server = ops::serve(listener, faces, server_stop.clone());
    let allowance = Allowance { memory, processes: part.map_or(1, |part| part.count) };
    let modules = ModuleStore::new(&connection, &Names::new(cluster)).trusting(trust);
    let grants = Grants { private: settings.switch("allow-private")?, refused };
    let modules = Arc::new(StoredModules(modules));
    let workshop = WasmWorkshop::new(
        modules.clone(),
        scenario_file::compiling(settings),
        grants,
        StructureCaps::default(),
    )
    .within(allowance)
    .with_data(modules);
    let greeter = tokio::spawn(greet(id.clone(), link.leader.clone()));
    let config = AgentConfig {
        worker: id,
        incarnation: Incarnation(ulid::Ulid::generate().random() as u64),
        shards: super::run::shards(settings)?,
        tags,
        max_users: settings.number("worker.max-users")?,
        ceilings: Ceilings { cpu, memory },
        weight,
        heartbeat: HEARTBEAT,
        drain: DRAIN,
    };
    let channels = Channels {
        assignments: link.assignments.clone(),
        reports: link.reports.clone(),
        clock_offset: link.clock_offset.clone(),
    };
    let outcome = tokio::select! {
        ended = agent::run(config, workshop, channels, stop.first.clone()) => ended.map_err(|error| {
            Failure::new(ExitCode::WorkerFailed, "the worker cannot go on").because(&error)
        }),
        () = stop.second.cancelled() => Ok(()),
        failure = broker::lost(&connection) => Err(failure),
    };
    greeter.abort();
    let is_over = stop.second.is_cancelled() || outcome.is_err();
    let patience = if is_over { Duration::ZERO } else { FAREWELL };
    let lost = link.close(patience).await;
    if lost > 0 {
        eprintln!("warning: {lost} seconds of measurements could not be handed over");
    }
    server_stop.cancel();
    ops::ended(server).await;
    outcome.map(|()| ExitCode::Ok)
}

fn faces(connection: &Connection, link: &AgentLink) -> Ops {
    let (leader, broker) = (link.leader.clone(), connection.clone());
    let ready = move || {
        if !broker.connected() {
            return Err(format!("the NATS server at {} is not connected", broker.addresses()));
        }
        if leader.borrow().is_none() {
            return Err("no master leads".to_string());
        }
        Ok(())
    };
    Ops::new(Role::Worker(link.status.clone()))
        .ready_if(ready)
        .counting(broker::counters(connection))
}

/// Says when a master knows this worker, and when there is none any more.
async fn greet(
    id: WorkerId,
    mut leader: tokio::sync::watch::Receiver<Option<loadhost_cluster::lease::LeaderRecord>>,
) {
    let mut known = None;
    loop {
        let current =
            leader.borrow_and_update().as_ref().map(|leader| (leader.id.clone(), leader.epoch));
        match &current {
            Some((master, term)) if current != known => {
                eprintln!("worker {id} joined {master} (term {})", term.0)
            }
            None if known.is_some() => eprintln!("worker {id}: no master leads; waiting for one"),
            _ => {}
        }
        known = current;
        if leader.changed().await.is_err() {
            return;
        }
    }
}

fn id(settings: &Effective) -> Result<WorkerId, Failure> {
    match settings.item("worker.id") {
        Some(item) => WorkerId::new(item.text.as_str())
            .map_err(|error| refuse("worker.id", item, &error.to_string())),
        None => WorkerId::new(format!("{}-{}", machine_name(), suffix())).map_err(|error| {
            Failure::new(ExitCode::Configuration, "this worker has no name")
                .because(&error)
                .hint("give `--id NAME`")
        }),
    }
}

fn tags(settings: &Effective) -> BTreeMap<String, String> {
    let tags = settings.items("worker.tags").iter();
    tags.map(|item| (item.name.clone().unwrap_or_default(), item.text.clone())).collect()
}

/// So that several workers of one machine differ, and one that is started again is another one.
fn suffix() -> String {
    let random = ulid::Ulid::generate().to_string().to_ascii_lowercase();
    random[random.len() - 5..].to_string()
}

/// Bytes.
fn memory_limit(settings: &Effective) -> Result<Option<u64>, Failure> {
    let key = "worker.memory-limit";
    let Some(item) = settings.item(key) else { return Ok(None) };
    let size = parse_size(&item.text).filter(|size| *size > 0);
    size.map(Some).ok_or_else(|| refuse(key, item, "it is a size, such as `512MiB` or `2GiB`"))
}

/// 0 to 1 of this worker's cores.
fn cpu_limit(settings: &Effective) -> Result<Option<f64>, Failure> {
    let key = "worker.cpu-limit";
    let Some(item) = settings.item(key) else { return Ok(None) };
    let percent = item.text.trim_end_matches('%').trim().parse::<f64>().ok();
    let percent = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0);
    let share = percent.map(|percent| Some(percent / 100.0));
    share.ok_or_else(|| refuse(key, item, "it is a share of its cores, such as `80%`"))
}

fn weight(settings: &Effective) -> Result<u32, Failure> {
    let key = "worker.weight";
    let weight = settings.number::<u32>(key)?.unwrap_or(1);
    match settings.item(key) {
        Some(item) if weight == 0 => {
            Err(refuse(key, item, "it is 1 or more; stop the worker instead"))
        }
        _ => Ok(weight),
    }
}
