//! `loadhost run`: coordinator and worker in one process.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loadhost_control::{Coordinator, CoordinatorConfig, Handle, StartRequest};
use loadhost_engine::capacity::raise_open_files;
use loadhost_engine::http::Grants;
use loadhost_engine::sandbox::WasmWorkshop;
use loadhost_engine::scenario::{Scenario, StructureCaps};
use loadhost_model::id::{Digest, WorkerId};
use loadhost_model::plan::RunPlan;
use loadhost_web::ops::{Ops, Role};
use tokio_util::sync::CancellationToken;

use super::{Layers, runtime, trace};
use crate::args::RunArgs;
use crate::config::{Commands, Effective, from_scenario};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::local_fleet::{self, LoadedModule};
use crate::ops::{Door, Served};
use crate::plan::{Module, data_files, plan};
use crate::session::{Outputs, conduct};
use crate::signals::Stop;
use crate::{load_shape, ops, scenario_file, site, telemetry};

/// The default. Compiling for the run's own pool may take a while on a small machine.
const PREPARE: Duration = Duration::from_secs(120);
/// Nothing is compiled sooner, and nobody waits longer.
pub(crate) const PREPARE_BOUNDS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);
/// Everybody is in this process.
const START_DELAY: Duration = Duration::from_millis(20);
/// For the agent to end once the run is over.
const LAST_ORDERS: Duration = Duration::from_secs(5);

/// A scenario with the settings and the plan of a run of it.
pub(crate) struct Prepared {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) settings: Effective,
    pub(crate) plan: RunPlan,
    /// Files of its data sets.
    pub(crate) data: BTreeMap<Digest, Arc<[u8]>>,
}

/// Loads the scenario and makes the plan: what each command that runs one does first.
pub(crate) fn prepare<const COMMAND: u8>(args: RunArgs<COMMAND>) -> Result<Prepared, Failure> {
    let layers = Layers::read(args.settings)?;
    let path = scenario_path(args.file, &layers.effective()).ok_or_else(|| {
        Failure::new(ExitCode::Configuration, "no scenario is given")
            .hint("give `--scenario FILE.wasm`; `loadhost new NAME` makes one")
    })?;
    prepare_from(&layers, &path)
}

/// The same with the scenario of this file.
pub(crate) fn prepare_from(layers: &Layers, path: &Path) -> Result<Prepared, Failure> {
    let own = layers.effective();
    let scenario = scenario_file::load(path, scenario_file::compiling(&own))?;
    let description = scenario.description();
    let settings = layers.over(from_scenario(&description.settings)?);
    let data = data_files(&settings, description)?;
    let module = Module { digest: scenario.digest(), description, data: &data.sets };
    let plan = plan(&settings, module)?;
    for host in description.hosts.iter().filter(|host| !plan.http.allow_hosts.contains(host)) {
        say!("note: the scenario wants to reach {host}; allow it with `--allow-host {host}`");
    }
    Ok(Prepared { scenario: scenario.clone(), settings, plan, data: data.bytes })
}

/// None: none is given.
pub(crate) fn scenario_path(file: Option<PathBuf>, settings: &Effective) -> Option<PathBuf> {
    file.or_else(|| settings.path("scenario"))
}

/// Runs the scenario to its end.
pub(crate) fn run<const COMMAND: u8>(args: RunArgs<COMMAND>) -> Outcome {
    if args.once {
        return trace::trace(args);
    }
    let prepared = prepare(args)?;
    raise_open_files();
    let outputs = Outputs::new(&prepared.settings)?;
    runtime(Some(2))?.block_on(local(prepared, outputs))
}

async fn local(prepared: Prepared, outputs: Outputs) -> Outcome {
    let Prepared { scenario, settings, plan, data } = prepared;
    let prepare_timeout = settings.duration_within("prepare-timeout", PREPARE_BOUNDS)?;
    let shape = load_shape::of(&scenario, &plan).await?;
    let signals = Stop::listen()?;
    let stop = CancellationToken::new();
    let worker = WorkerId::new("local").map_err(|error| {
        Failure::new(ExitCode::Unexpected, "the worker has no name").because(&error)
    })?;
    let (watchers, watching) = telemetry::watch(&settings, Commands::RUN)?;
    let workshop = workshop(&scenario, &settings)?.with_data(Arc::new(data)).watched_by(watchers);
    let local = local_fleet::start(worker, shards(&settings)?, workshop, stop.clone());
    let config = CoordinatorConfig {
        start_delay: START_DELAY,
        prepare_timeout: prepare_timeout.unwrap_or(PREPARE),
        ..CoordinatorConfig::default()
    };
    let (handle, coordinator) =
        Coordinator::spawn(config, local.fleet, local.reports, stop.clone());
    let request = StartRequest {
        plan,
        description: Arc::new(scenario.description().clone()),
        expect_workers: 1,
        max_wait: Duration::from_secs(10),
        shape,
    };
    let server_stop = CancellationToken::new();
    let (served, outcome) = match faces(&settings, &handle, server_stop.clone()).await {
        Ok(served) => (served, conduct(&handle, request, outputs, &signals).await),
        Err(failure) => (None, Err(failure)),
    };
    // What came of the run is kept while the coordinator can still be asked.
    server_stop.cancel();
    let _ = tokio::time::timeout(LAST_ORDERS, ops::ended(served)).await;
    stop.cancel();
    let ended = async {
        let _ = coordinator.await;
        local.agent.await
    };
    match tokio::time::timeout(LAST_ORDERS, ended).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::debug!(%error, "the worker ended"),
        Ok(Err(error)) => tracing::error!(%error, "the worker ended by a fault"),
        Err(_) => tracing::debug!("the worker still had something to do"),
    }
    watching.finish().await;
    outcome
}

/// Page and API of this one run, if they are wanted.
async fn faces(
    settings: &Effective,
    handle: &Handle,
    stop: CancellationToken,
) -> Result<Option<Served>, Failure> {
    let front = ops::bind(Door::of_master(settings, None)?).await?;
    let mut faces = Ops::new(Role::Master(handle.clone()))
        .pushed_to(telemetry::collector(settings, Commands::RUN)?);
    if front.is_some() {
        faces = faces.with_site(site::of_one_run(handle)?);
    }
    Ok(ops::serve(front, faces, stop))
}

/// Makes the loaded scenario ready on this machine.
pub(crate) fn workshop(
    scenario: &Arc<Scenario>,
    settings: &Effective,
) -> Result<WasmWorkshop, Failure> {
    let source = Arc::new(LoadedModule(scenario.clone()));
    let workshop = WasmWorkshop::new(
        source,
        scenario_file::compiling(settings),
        grants(settings)?,
        StructureCaps::default(),
    );
    Ok(workshop.with_scenario(scenario.clone()))
}

/// What scenarios may reach on this machine's behalf.
pub(crate) fn grants(settings: &Effective) -> Result<Grants, Failure> {
    Ok(Grants { private: settings.switch("allow-private")?, refused: Vec::new() })
}

/// One per core, unless said otherwise.
pub(crate) fn shards(settings: &Effective) -> Result<u32, Failure> {
    Ok(settings.number("shards")?.unwrap_or_else(cores).max(1))
}

/// Of this machine, as far as this process may use them.
pub(crate) fn cores() -> u32 {
    let cores = std::thread::available_parallelism();
    cores.map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
}
