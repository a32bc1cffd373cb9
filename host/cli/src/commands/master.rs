//! `loadhost master`: the same coordinator over a fleet of workers.

use std::sync::Arc;
use std::time::Duration;

use loadhost_cluster::subjects::Names;
use loadhost_cluster::{Connection, FleetConfig, ModuleStore, NatsFleet};
use loadhost_control::{Coordinator, CoordinatorConfig, StartRequest};
use loadhost_model::id::Incarnation;
use loadhost_web::ops::{Ops, Role};
use tokio_util::sync::CancellationToken;

use super::run::{Prepared, prepare};
use super::{machine_name, runtime, trace};
use crate::args::RunArgs;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::progress::Broker;
use crate::session::{Outputs, conduct};
use crate::{broker, load_shape, ops};

/// Workers fetch and compile over a network.
const PREPARE: Duration = Duration::from_secs(60);

/// Runs the scenario on the fleet, to its end.
pub(crate) fn master<const COMMAND: u8>(args: RunArgs<COMMAND>) -> Outcome {
    if args.once {
        return trace::trace(args);
    }
    let prepared = prepare(args)?;
    let outputs = Outputs::new(&prepared.settings)?;
    runtime(Some(2))?.block_on(with_server(prepared, outputs))
}

/// With the NATS server that is given, else with a private one.
async fn with_server(prepared: Prepared, outputs: Outputs) -> Outcome {
    if let Some(urls) = broker::urls(&prepared.settings) {
        let connection = broker::join(&prepared.settings, urls, "master").await?;
        return lead(connection, prepared, outputs).await;
    }
    let server = broker::private_server(&prepared.settings).await?;
    eprintln!("{}", server.how_to_join());
    let outcome =
        match broker::join(&prepared.settings, vec![server.url().to_string()], "master").await {
            Ok(connection) => lead(connection, prepared, outputs).await,
            Err(failure) => Err(failure),
        };
    server.stop().await;
    outcome
}

async fn lead(connection: Connection, prepared: Prepared, mut outputs: Outputs) -> Outcome {
    let Prepared { scenario, settings, plan } = prepared;
    let cluster = broker::cluster(&settings)?;
    let expect_workers = settings.number("expect-workers")?.unwrap_or(1);
    let max_wait = settings.duration("max-wait")?.unwrap_or_default();
    let shape = load_shape::of(&scenario, &plan).await?;
    let modules = ModuleStore::new(&connection, &Names::new(cluster.clone()));
    modules.put(scenario.bytes(), broker::MODULE_TIME).await.map_err(|error| {
        Failure::new(ExitCode::NatsUnreachable, "the scenario cannot be stored for the workers")
            .because(&error)
    })?;
    let incarnation = Incarnation(ulid::Ulid::generate().random() as u64);
    let id = format!("{}-{}", machine_name(), std::process::id());
    let (fleet, reports) = NatsFleet::lead(&connection, FleetConfig::new(cluster, id, incarnation))
        .await
        .map_err(|error| broker::not_joined(&error))?;
    let stop = CancellationToken::new();
    let config = CoordinatorConfig {
        term: fleet.term(),
        prepare_timeout: PREPARE,
        ..CoordinatorConfig::default()
    };
    let (handle, coordinator) = Coordinator::spawn(config, fleet.clone(), reports, stop.clone());
    let (standing, nats) = (fleet.clone(), connection.clone());
    let faces = Ops::new(Role::Master(handle.clone()))
        .ready_if(move || match (standing.leads(), nats.connected()) {
            (true, true) => Ok(()),
            (_, false) => Err("the NATS server is not connected".to_string()),
            (false, true) => Err("this master does not lead".to_string()),
        })
        .counting(broker::counters(&connection));
    let nats = connection.clone();
    outputs.broker = Some(Broker::new(move || nats.connected()));
    let served = ops::serve(&settings, "listen", Some(ops::MASTER), faces, stop.clone()).await;
    let outcome = match &served {
        Ok(_) => {
            let request = StartRequest {
                plan,
                description: Arc::new(scenario.description().clone()),
                expect_workers,
                max_wait,
                shape,
            };
            conduct(&handle, request, outputs).await
        }
        Err(failure) => Err(failure.clone()),
    };
    stop.cancel();
    let _ = coordinator.await;
    ops::ended(served.unwrap_or_default()).await;
    fleet.close().await;
    outcome
}
