//! `loadhost master`: one of the masters of a fleet, which leads or stands by.
//!
//! With a scenario it submits a run to whoever leads, follows it to its end, and goes. Without one
//! it stays until it is told to stop; runs that it leads then go on under the next leader.

use std::sync::Arc;
use std::time::Duration;

use loadhost_cluster::fleet::{HEARTBEATS_PER_LEASE, JoinError, SHORTEST_LEASE};
use loadhost_cluster::store::StoreError;
use loadhost_cluster::subjects::Names;
use loadhost_cluster::trust::Signature;
use loadhost_cluster::{
    Connection, FleetConfig, ModuleStore, NatsState, Node, NodeConfig, NodeParts,
};
use loadhost_control::{CoordinatorConfig, StartRequest};
use loadhost_model::id::{Digest, Incarnation, Term};
use loadhost_model::text::format_duration;
use loadhost_web::ops::{Ops, Role};
use tokio_util::sync::CancellationToken;

use super::run::{Prepared, prepare_from, scenario_path};
use super::{Layers, machine_name, runtime, signals, trace};
use crate::args::RunArgs;
use crate::config::{Effective, refuse};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::load_shape::StoredShapes;
use crate::progress::Broker;
use crate::session::{Outputs, conduct};
use crate::{broker, ops, scenario_file};

/// For the end of a master that has lost its broker for good.
const FAREWELL: Duration = Duration::from_secs(2);
/// Workers fetch and compile over a network.
const PREPARE: Duration = Duration::from_secs(60);

/// Between attempts to get from the broker what a master needs.
const AGAIN: Duration = Duration::from_millis(500);

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
    let (settings, task) = match scenario_path(args.file, &layers.effective()) {
        Some(path) => {
            let prepared = prepare_from(&layers, &path)?;
            let outputs = Outputs::new(&prepared.settings)?;
            let signature = signature(&prepared.settings, prepared.scenario.digest())?;
            let settings = prepared.settings.clone();
            (settings, Task::Run(Box::new(prepared), Box::new(outputs), signature))
        }
        None => (layers.effective(), Task::Stand),
    };
    // What is wrong with the settings is said before anybody is asked.
    let config = config(&settings)?;
    runtime(Some(2))?.block_on(with_server(&settings, config, task))
}

/// With the NATS server that is given, else with a private one.
async fn with_server(settings: &Effective, config: NodeConfig, task: Task) -> Outcome {
    if let Some(urls) = broker::urls(settings) {
        let connection = broker::join(settings, urls, "master").await?;
        return with_node(connection, settings, config, task).await;
    }
    let server = broker::private_server(settings).await?;
    eprintln!("{}", server.how_to_join());
    let outcome = match broker::join(settings, vec![server.url().to_string()], "master").await {
        Ok(connection) => with_node(connection, settings, config, task).await,
        Err(failure) => Err(failure),
    };
    server.stop().await;
    outcome
}

async fn with_node(
    connection: Connection,
    settings: &Effective,
    mut config: NodeConfig,
    task: Task,
) -> Outcome {
    // Nobody stands for election who cannot be asked.
    let listener = ops::bind(settings, "listen", Some(ops::MASTER)).await?;
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    config.url = address.map(|address| format!("http://{address}"));
    config.fleet = config.fleet.with_replicas_of(&connection);
    let names = Names::new(config.fleet.cluster.clone());
    let modules = ModuleStore::new(&connection, &names);
    let compiling = scenario_file::compiling(settings);
    let patience = settings.duration("max-wait")?.unwrap_or_default();
    let replicas = config.fleet.replicas;
    let store = insist(patience, async || NatsState::open(&connection, &names, replicas).await);
    let parts = NodeParts {
        store: Arc::new(store.await?),
        shapes: Arc::new(StoredShapes { modules: modules.clone(), compiling }),
    };
    if let Task::Run(prepared, _, signature) = &task {
        store_files(&modules, prepared, signature.as_ref()).await?;
    }
    let start = async || Node::start(&connection, config.clone(), parts.clone()).await;
    let node = insist(patience, start).await?;
    let stop = CancellationToken::new();
    let faces = Ops::new(Role::Master(node.handle().clone()))
        .ready_if(node.readiness())
        .counting(broker::counters(&connection));
    let served = ops::serve(listener, faces, stop.clone());
    let task = async {
        match task {
            Task::Stand => stand(&node).await,
            Task::Run(prepared, outputs, _) => run(&node, &connection, *prepared, *outputs).await,
        }
    };
    let outcome = tokio::select! {
        outcome = task => {
            node.stop().await;
            outcome
        }
        failure = broker::lost(&connection) => {
            // There is nothing to hand over by.
            let _ = tokio::time::timeout(FAREWELL, node.stop()).await;
            Err(failure)
        }
    };
    stop.cancel();
    ops::ended(served).await;
    outcome
}

/// Tries for so long: nodes of a broker that have just been started do not know each other yet.
async fn insist<T>(
    patience: Duration,
    mut ask: impl AsyncFnMut() -> Result<T, JoinError>,
) -> Result<T, Failure> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        match ask().await {
            Ok(given) => return Ok(given),
            Err(error) if tokio::time::Instant::now() >= until => {
                return Err(broker::not_joined(&error));
            }
            Err(error) => tracing::warn!(%error, "the broker is asked again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Without what only the broker and the listener know.
fn config(settings: &Effective) -> Result<NodeConfig, Failure> {
    let incarnation = Incarnation(ulid::Ulid::generate().random() as u64);
    let id = format!("{}-{}", machine_name(), std::process::id());
    let usual = FleetConfig::new(broker::cluster(settings)?, id, incarnation);
    let lease = settings.duration("lease")?.unwrap_or(usual.lease);
    let longest = lease / HEARTBEATS_PER_LEASE;
    let heartbeat = settings.duration("heartbeat")?.unwrap_or(usual.heartbeat.min(longest));
    if let Some(item) = settings.item("lease").filter(|_| lease < SHORTEST_LEASE) {
        let least = format_duration(SHORTEST_LEASE);
        return Err(refuse("lease", item, &format!("it must be {least} at least")));
    }
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
    Ok(NodeConfig {
        fleet,
        coordinator: CoordinatorConfig { prepare_timeout: PREPARE, checkpoint, ..default },
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
) -> Outcome {
    let Prepared { scenario, settings, plan, .. } = prepared;
    let nats = connection.clone();
    outputs.broker = Some(Broker::new(move || nats.connected()));
    let request = StartRequest {
        plan,
        description: Arc::new(scenario.description().clone()),
        expect_workers: settings.number("expect-workers")?.unwrap_or(1),
        max_wait: settings.duration("max-wait")?.unwrap_or_default(),
        shape: None, // The leader makes it, whoever that is.
    };
    conduct(node.handle(), request, outputs).await
}

/// Leads or stands by, and says which, until Ctrl-C or SIGTERM.
async fn stand(node: &Node) -> Outcome {
    let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
    let signals = tokio::spawn(signals(stop.clone(), at_once));
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
                (Some(term), _) => eprintln!("leading (term {})", term.0),
                // Nothing is known yet.
                (None, leader) if leader.is_empty() && said.is_none() => {}
                (None, leader) if leader.is_empty() => eprintln!("standing by: no master leads"),
                (None, leader) => eprintln!("standing by: {leader} leads"),
            }
            said = Some(now);
        }
        let changed = stop.run_until_cancelled(leadership.changed()).await;
        if changed.is_some_and(|changed| changed.is_err()) {
            break;
        }
    }
    signals.abort();
    eprintln!("stopping; runs go on under the next leader");
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
