//! `loadhost master`: one of the masters of a fleet, which leads or stands by.
//!
//! With a scenario it submits a run to whoever leads, follows it to its end, and goes. Without one
//! it stays until it is told to stop; runs that it leads then go on under the next leader.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use loadhost_cluster::fleet::{HEARTBEATS_PER_LEASE, SHORTEST_LEASE};
use loadhost_cluster::node::Service;
use loadhost_cluster::store::StoreError;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::trust::Signature;
use loadhost_cluster::{
    Connection, FleetConfig, ModuleStore, NatsState, Node, NodeConfig, NodeParts,
};
use loadhost_control::{CoordinatorConfig, StartRequest};
use loadhost_engine::load::governor::Ceilings;
use loadhost_model::id::{Digest, Incarnation, Term};
use loadhost_model::text::format_duration;
use loadhost_web::ops::{NotReady, Ops, Role};
use tokio_util::sync::CancellationToken;

use super::run::{PREPARE_BOUNDS, Prepared, prepare_from, scenario_path};
use super::{Layers, machine_name, runtime, trace};
use crate::args::RunArgs;
use crate::config::{Commands, Effective, refuse};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::load_shape::StoredShapes;
use crate::ops::Door;
use crate::plan::Waiting;
use crate::progress::Broker;
use crate::session::{Outputs, conduct};
use crate::signals::Stop;
use crate::workbench::Bench;
use crate::{broker, ceilings, ops, scenario_file, site, telemetry};

/// For the end of a master that has lost its broker for good.
const FAREWELL: Duration = Duration::from_secs(2);
/// The default. Workers fetch and compile over a network.
const PREPARE: Duration = Duration::from_secs(60);
/// Workers say how they are once a second, unless they are told otherwise.
const SHORTEST_WORKER_TIMEOUT: Duration = Duration::from_millis(500);

/// What a master is there for.
enum Task {
    /// One run.
    Run(Box<Prepared>, Box<Outputs>, Option<Signature>),
    /// Whatever others ask for, until it is told to stop.
    Stand,
}

/// Runs the scenario on the fleet, to its end; without one, leads or stands by.
pub(crate) fn master<const COMMAND: u8>(args: RunArgs<COMMAND>) -> Outcome {
    if args.once {
        return trace::trace(args);
    }
    let layers = Layers::read(args.settings)?;
    let path = scenario_path(args.file, &layers.effective());
    let runtime = runtime(Some(2))?;
    let outcome = runtime.block_on(async {
        let stop = Stop::listen()?;
        let stands = path.is_none();
        let outcome = begin(layers, path, &stop).await;
        if stands { Stop::is_no_failure(outcome) } else { outcome }
    });
    // A scenario may still be compiled for somebody who does not wait for it any more.
    runtime.shutdown_background();
    outcome
}

/// What is wrong with scenario and settings is said before anybody is asked.
async fn begin(layers: Layers, path: Option<PathBuf>, stop: &Stop) -> Outcome {
    let bench = Arc::new(Bench::new(&layers)?);
    let Some(path) = path else {
        let settings = layers.effective();
        return Master::new(&settings, bench, stop)?.with_server(Task::Stand).await;
    };
    let preparing = tokio::task::spawn_blocking(move || prepare_from(&layers, &path));
    let prepared = async {
        preparing.await.unwrap_or_else(|error| {
            let message = "the scenario cannot be loaded";
            Err(Failure::new(ExitCode::Unexpected, message).because(&error))
        })
    };
    let prepared = stop.or(prepared).await?;
    let outputs = Outputs::new(&prepared.settings)?;
    let signature = signature(&prepared.settings, prepared.scenario.digest())?;
    let settings = prepared.settings.clone();
    let master = Master::new(&settings, bench, stop)?;
    let task = Task::Run(Box::new(prepared), Box::new(outputs), signature);
    master.with_server(task).await
}

/// What holds for this master.
struct Master<'a> {
    settings: &'a Effective,
    config: NodeConfig,
    /// Not open before there is a broker: nobody could be told anything there.
    door: Option<Door>,
    room: Ceilings,
    waiting: Waiting,
    drain_delay: Duration,
    bench: Arc<Bench>,
    stop: &'a Stop,
}

impl<'a> Master<'a> {
    fn new(settings: &'a Effective, bench: Arc<Bench>, stop: &'a Stop) -> Result<Self, Failure> {
        Ok(Self {
            settings,
            config: config(settings)?,
            door: Door::of_master(settings, Some(ops::MASTER))?,
            room: ceilings::of(settings, "master")?,
            waiting: Waiting::of(settings)?,
            drain_delay: settings.duration("drain-delay")?.unwrap_or_default(),
            bench,
            stop,
        })
    }

    /// With the NATS server that is given, else with a private one.
    async fn with_server(self, task: Task) -> Outcome {
        let (settings, stop) = (self.settings, self.stop);
        if let Some(urls) = broker::urls(settings) {
            let connection = stop.or(broker::join(settings, urls, "master")).await?;
            return Box::pin(with_node(connection, self, task)).await;
        }
        let server = stop.or(broker::private_server(settings)).await?;
        say!("{}", server.how_to_join());
        let urls = vec![server.url().to_string()];
        let outcome = match stop.or(broker::join(settings, urls, "master")).await {
            Ok(connection) => Box::pin(with_node(connection, self, task)).await,
            Err(failure) => Err(failure),
        };
        server.stop().await;
        outcome
    }
}

async fn with_node(connection: Connection, master: Master<'_>, task: Task) -> Outcome {
    let Master { settings, mut config, door, room, waiting, drain_delay, bench, stop } = master;
    // Nobody stands for election who cannot be asked.
    let listener = ops::bind(door).await?;
    config.url = listener.as_ref().map(ops::url);
    config.fleet = config.fleet.with_replicas_of(&connection);
    let names = Names::new(config.fleet.cluster.clone());
    let modules = ModuleStore::new(&connection, &names);
    let compiling = scenario_file::compiling(settings);
    let patience = waiting.max_wait;
    let replicas = config.fleet.replicas;
    let store =
        broker::insist(patience, async || NatsState::open(&connection, &names, replicas).await);
    let (room, _meter) = ceilings::watched(room);
    let parts = NodeParts {
        store: Arc::new(stop.or(store).await?),
        shapes: Arc::new(StoredShapes { modules: modules.clone(), compiling }),
        room,
    };
    if let Task::Run(prepared, _, signature) = &task {
        stop.or(Box::pin(store_files(&modules, prepared, signature.as_ref()))).await?;
    }
    let shelf = stop.or(site::shelf(&connection, &names, replicas, settings)).await?;
    let start = async || Node::start(&connection, config.clone(), parts.clone()).await;
    let node = stop.or(Box::pin(broker::insist(patience, start))).await?;
    let server_stop = CancellationToken::new();
    let site = site::of_master(&node, &config.fleet.cluster, shelf, bench.clone());
    let counters = broker::counters(&connection);
    let faces = Ops::new(Role::Master(node.handle().clone()))
        .ready_if(readiness(&node, stop.first.clone()))
        .counting(move || [counters(), bench.counters()].concat())
        .with_broker(broker::state(&connection))
        .pushed_to(telemetry::collector(settings, Commands::MASTER)?)
        .with_site(site);
    let served = ops::serve(listener, faces, server_stop.clone());
    let task = async {
        match task {
            Task::Stand => {
                let outcome = stand(&node, &stop.first).await;
                leave(&node, drain_delay, &stop.second).await;
                outcome
            }
            Task::Run(prepared, outputs, _) => {
                run(&node, &connection, *prepared, *outputs, waiting, stop).await
            }
        }
    };
    tokio::select! {
        outcome = task => {
            // What came of runs is kept while somebody can still be asked.
            server_stop.cancel();
            ops::ended(served).await;
            node.stop().await;
            outcome
        }
        failure = broker::lost(&connection) => {
            // There is nothing to hand over by.
            server_stop.cancel();
            let _ = tokio::time::timeout(FAREWELL, node.stop()).await;
            Err(failure)
        }
    }
}

/// Without what only the broker and the listener know.
fn config(settings: &Effective) -> Result<NodeConfig, Failure> {
    let incarnation = Incarnation(ulid::Ulid::generate().random() as u64);
    let id = format!("{}-{}", machine_name(), std::process::id());
    let usual = FleetConfig::new(broker::cluster(settings)?, id, incarnation);
    let lease = settings.duration_from("lease", SHORTEST_LEASE)?.unwrap_or(usual.lease);
    let longest = lease / HEARTBEATS_PER_LEASE;
    let heartbeat = settings.duration("heartbeat")?.unwrap_or(usual.heartbeat.min(longest));
    if let Some(item) =
        settings.item("heartbeat").filter(|_| heartbeat > longest || heartbeat.is_zero())
    {
        let most = format_duration(Duration::from_millis(longest.as_millis() as u64));
        return Err(refuse(
            "heartbeat",
            item,
            &format!("it must be {most} at most, a third of the lease"),
        ));
    }
    let fleet = FleetConfig {
        priority: settings.number("priority")?.unwrap_or(usual.priority),
        lease,
        heartbeat,
        ..usual
    };
    let default = CoordinatorConfig::default();
    let checkpoint = settings.duration("state-checkpoint")?.unwrap_or(default.checkpoint);
    let worker_timeout = settings.duration_from("worker-timeout", SHORTEST_WORKER_TIMEOUT)?;
    let worker_timeout = worker_timeout.unwrap_or(default.lost);
    let prepare_timeout = settings.duration_within("prepare-timeout", PREPARE_BOUNDS)?;
    Ok(NodeConfig {
        fleet,
        coordinator: CoordinatorConfig {
            prepare_timeout: prepare_timeout.unwrap_or(PREPARE),
            checkpoint,
            suspect: worker_timeout * 2 / 3,
            lost: worker_timeout,
            all_lost: worker_timeout.max(default.all_lost),
            ..default
        },
        url: None,
    })
}

/// The scenario and the files of its data sets, for workers to fetch.
async fn store_files(
    modules: &ModuleStore,
    prepared: &Prepared,
    signature: Option<&Signature>,
) -> Result<(), Failure> {
    let refused = |what: &str, error: &StoreError| {
        let message = format!("{what} cannot be stored for the workers");
        Failure::new(ExitCode::NatsUnreachable, message).because(error)
    };
    let bytes = prepared.scenario.bytes();
    let stored = modules.put_signed(bytes, signature, broker::MODULE_TIME).await;
    stored.map_err(|error| refused("the scenario", &error))?;
    for bytes in prepared.data.values() {
        let stored = modules.put(bytes, broker::MODULE_TIME).await;
        stored.map_err(|error| refused("a data set", &error))?;
    }
    Ok(())
}

/// Submits the run to whoever leads, and follows it to its end.
async fn run(
    node: &Node,
    connection: &Connection,
    prepared: Prepared,
    mut outputs: Outputs,
    waiting: Waiting,
    stop: &Stop,
) -> Outcome {
    let Prepared { scenario, plan, .. } = prepared;
    let nats = connection.clone();
    outputs.broker = Some(Broker::new(move || nats.connected()));
    let request = StartRequest {
        plan,
        description: Arc::new(scenario.description().clone()),
        expect_workers: waiting.expect_workers,
        max_wait: waiting.max_wait,
        shape: None, // The leader makes it, whoever that is.
    };
    conduct(node.handle(), request, outputs, stop).await
}

/// What `/ready` of a master says. `asked` is cancelled once this process was told to stop.
fn readiness(
    node: &Node,
    asked: CancellationToken,
) -> impl Fn() -> Result<(), NotReady> + Send + Sync + 'static + use<> {
    let (ready, draining, view) = (node.readiness(), node.draining(), node.handle().view());
    move || {
        if asked.is_cancelled() {
            return Err(NotReady::Draining("this master is draining: it was told to stop".into()));
        }
        if *draining.borrow() {
            let why = "this master is draining: it was taken out of service";
            return Err(NotReady::Draining(why.into()));
        }
        ready()?;
        match view.borrow().term {
            Term(0) => Err("the state of the fleet is not loaded yet".to_string().into()),
            _ => Ok(()),
        }
    }
}

/// Hands over, and goes on serving for `delay`, so that load balancers notice. A second signal ends that.
async fn leave(node: &Node, delay: Duration, hurry: &CancellationToken) {
    node.services().put_own(Service::Out);
    if !delay.is_zero() {
        say!("draining: serving for {} more", format_duration(delay));
        hurry.run_until_cancelled(tokio::time::sleep(delay)).await;
    }
}

/// Leads or stands by, and says which, until Ctrl-C or SIGTERM.
async fn stand(node: &Node, stop: &CancellationToken) -> Outcome {
    let mut leadership = node.leadership();
    let mut said: Option<(Option<Term>, String)> = None;
    while !stop.is_cancelled() {
        let now = {
            let seen = leadership.borrow_and_update();
            let leader =
                seen.leader().map(|leader| format!("{} (term {})", leader.id, leader.epoch.0));
            (seen.term(), leader.unwrap_or_default())
        };
        if said.as_ref() != Some(&now) {
            match &now {
                (Some(term), _) => say!("leading (term {})", term.0),
                // Nothing is known yet.
                (None, leader) if leader.is_empty() && said.is_none() => {}
                (None, leader) if leader.is_empty() => say!("standing by: no master leads"),
                (None, leader) => say!("standing by: {leader} leads"),
            }
            said = Some(now);
        }
        let changed = stop.run_until_cancelled(leadership.changed()).await;
        if changed.is_some_and(|changed| changed.is_err()) {
            break;
        }
    }
    say!("stopping; runs go on under the next leader");
    Ok(ExitCode::Ok)
}

/// By the key of `--sign`.
fn signature(settings: &Effective, module: Digest) -> Result<Option<Signature>, Failure> {
    let Some(path) = settings.path("sign") else { return Ok(None) };
    let signed = super::key::read(&path)?.sign(module).map_err(|error| {
        Failure::new(ExitCode::Configuration, format!("`{}` cannot sign", path.display()))
            .because(&error)
    })?;
    Ok(Some(signed))
}
