//! `loadhost worker`: makes load for a master until it is told to stop.

mod faces;
mod processes;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loadhost_cluster::subjects::Names;
use loadhost_cluster::{AgentConfig as LinkConfig, AgentLink, ModuleStore};
use loadhost_engine::agent::{self, Activity, AgentConfig, Channels, Reading};
use loadhost_engine::capacity::{Allowance, raise_open_files};
use loadhost_engine::http::Grants;
use loadhost_engine::sandbox::WasmWorkshop;
use loadhost_engine::scenario::{Compiling, StructureCaps};
use loadhost_model::id::{Incarnation, WorkerId};
use loadhost_web::ops::Work;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Layers, machine_name, runtime};
use crate::args::Settings;
use crate::broker::{self, StoredModules};
use crate::config::{Commands, Effective, refuse};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::signals::Stop;
use crate::{ceilings, ops, scenario_file, telemetry};

use faces::Faces;
use processes::Part;

/// Rarer ones would make a worker look lost; more frequent ones tell nobody more.
const HEARTBEATS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
/// Leaders say once a second that they lead; a shorter time would stop the load between two such beats. After an hour
/// nobody remembers that load is made.
const DEAD_MAN: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(3600);
/// Who leaves sooner hands nothing over.
const SHORTEST_DRAIN: Duration = Duration::from_secs(1);

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

/// Which of several processes this is, from 1 on; None: it is the only one, or their parent.
pub(crate) fn part() -> Option<u32> {
    Part::given().map(|part| part.number())
}

async fn work(settings: &Effective, part: Option<Part>, stop: &Stop) -> Outcome {
    let id = id(settings)?;
    telemetry::worker(&id);
    let (watchers, watching) = telemetry::watch(settings, Commands::WORKER)?;
    let ceilings = ceilings::of(settings, "worker")?;
    let memory = ceilings.memory;
    let heartbeat = heartbeat(settings)?;
    let dead_man = settings.duration_within("worker.dead-man", DEAD_MAN)?;
    let drain = Drain::given(settings)?;
    let (weight, tags) = (weight(settings)?, tags(settings));
    let (shards, max_users) = (super::run::shards(settings)?, settings.number("worker.max-users")?);
    let trust = broker::trust(settings)?;
    let private = settings.switch("allow-private")?;
    let doors = faces::doors(settings)?;
    let urls = broker::urls(settings).ok_or_else(|| {
        Failure::new(ExitCode::Configuration, "a worker needs a NATS server")
            .hint("give `--nats nats://HOST:PORT`")
    })?;
    let cluster = broker::cluster(settings)?;
    let refused = broker::addresses(&urls);
    let connection = stop.or(broker::join_as_worker(settings, urls, &id)).await?;
    let usual = LinkConfig::new(cluster.clone(), id.clone());
    let config = LinkConfig { dead_man: dead_man.unwrap_or(usual.dead_man), ..usual };
    let link = async {
        let joined = AgentLink::join(&connection, config).await;
        joined.map_err(|error| broker::not_joined(&error))
    };
    let link = stop.or(link).await?;
    let server_stop = CancellationToken::new();
    let allowance = Allowance { memory, processes: part.map_or(1, |part| part.count) };
    let modules = ModuleStore::new(&connection, &Names::new(cluster)).trusting(trust);
    let grants = Grants { private, refused };
    let modules = Arc::new(StoredModules::new(modules));
    let (compiling, activity) = (scenario_file::compiling(settings), Arc::new(Activity::default()));
    let faces = Faces::bind(doors).await?;
    let work = {
        let (activity, modules, compiling) = (activity.clone(), modules.clone(), compiling.clone());
        move || work_of(&activity, &modules, &compiling, memory)
    };
    let kept = compiling.clone();
    let faces_of = faces::of(&connection, &link, &stop.first)
        .with_work(work)
        .keeping_modules(move || kept.kept_bytes())
        .pushed_to(telemetry::collector(settings, Commands::WORKER)?);
    let served = faces.serve(&faces_of, &server_stop);
    let workshop = WasmWorkshop::new(modules.clone(), compiling, grants, StructureCaps::default())
        .within(allowance)
        .with_data(modules)
        .watched_by(watchers);
    let greeter = tokio::spawn(greet(id.clone(), link.leader.clone()));
    let config = AgentConfig {
        worker: id,
        incarnation: Incarnation(ulid::Ulid::generate().random() as u64),
        shards,
        tags,
        max_users,
        ceilings,
        weight,
        heartbeat,
        drain: drain.others(),
        leave: drain.users(),
        activity,
    };
    let channels = Channels {
        assignments: link.assignments.clone(),
        reports: link.reports.clone(),
        clock_offset: link.clock_offset.clone(),
        reading: Some(Reading { ask: link.ask.clone(), began: link.read.clone() }),
    };
    let outcome = tokio::select! {
        ended = agent::run(config, workshop, channels, stop.first.clone()) => ended.map_err(|error| {
            Failure::new(ExitCode::WorkerFailed, "the worker cannot go on").because(&error)
        }),
        () = stop.second.cancelled() => Ok(()),
        () = drain.is_over(&stop.first) => Ok(()),
        failure = broker::lost(&connection) => Err(failure),
    };
    greeter.abort();
    let is_over = stop.second.is_cancelled() || outcome.is_err();
    let patience = if is_over { Duration::ZERO } else { drain.farewell() };
    let lost = link.close(patience).await;
    if lost > 0 {
        say!("warning: {lost} seconds of measurements could not be handed over");
    }
    watching.finish().await;
    server_stop.cancel();
    for server in served {
        ops::ended(Some(server)).await;
    }
    outcome.map(|()| ExitCode::Ok)
}

/// How long a worker that was told to stop does what, all within its deadline.
#[derive(Debug)]
struct Drain {
    deadline: Duration,
    /// When it was told.
    began: OnceLock<Instant>,
}

impl Drain {
    fn given(settings: &Effective) -> Result<Self, Failure> {
        let deadline = settings.duration_from("worker.drain-deadline", SHORTEST_DRAIN)?;
        Ok(Self::within(deadline.unwrap_or(Duration::from_secs(25))))
    }

    fn within(deadline: Duration) -> Self {
        Self { deadline, began: OnceLock::new() }
    }

    /// Until others have its users; then those that are left end.
    fn others(&self) -> Duration {
        self.deadline * 2 / 5
    }

    /// Until the iterations of its users have ended; then they are cut off.
    fn users(&self) -> Duration {
        self.deadline * 4 / 5
    }

    /// Whatever keeps the worker from ending by itself.
    async fn is_over(&self, asked: &CancellationToken) {
        asked.cancelled().await;
        let began = *self.began.get_or_init(Instant::now);
        tokio::time::sleep_until(began + self.deadline * 9 / 10).await;
    }

    /// For the last intervals to be handed over: what is left.
    fn farewell(&self) -> Duration {
        let since = self.began.get().map_or(Duration::ZERO, Instant::elapsed);
        self.deadline.saturating_sub(since)
    }
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
                say!("worker {id} joined {master} (term {})", term.0)
            }
            None if known.is_some() => say!("worker {id}: no master leads; waiting for one"),
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

/// What it did so far, for its metrics.
fn work_of(
    activity: &Activity,
    modules: &StoredModules,
    compiling: &Compiling,
    memory_limit: Option<u64>,
) -> Work {
    let counts = activity.counts();
    let ([hits, compiled, unfit], [fetched, untrusted]) = (compiling.counts(), modules.counts());
    Work {
        requests: counts.requests,
        failures: counts.failures,
        dropped_arrivals: counts.dropped_arrivals,
        crashed_users: counts.crashed_users,
        modules: vec![
            ("hit", hits),
            ("compiled", compiled),
            ("fetched", fetched),
            ("refused", unfit + untrusted),
        ],
        memory_limit,
    }
}

fn heartbeat(settings: &Effective) -> Result<Duration, Failure> {
    let heartbeat = settings.duration_within("worker.heartbeat", HEARTBEATS)?;
    Ok(heartbeat.unwrap_or(Duration::from_secs(1)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_of_a_drain_is_within_its_deadline() {
        let (drain, asked) = (Drain::within(Duration::from_secs(20)), CancellationToken::new());
        let seconds = Duration::from_secs;
        assert_eq!((drain.others(), drain.users()), (seconds(8), seconds(16)));
        let over = tokio::time::timeout(seconds(60), drain.is_over(&asked)).await;
        assert!(over.is_err(), "nobody has told it to stop");
        asked.cancel();
        let told = Instant::now();
        drain.is_over(&asked).await;
        assert_eq!(told.elapsed(), seconds(18));
        assert_eq!(drain.farewell(), seconds(2));
    }
}
