//! What a process tells of itself: its log, to stderr and to a file; the access log of its requests; traces of its iterations.
//!
//! Text for people, JSON for machines. All of it goes through bounded queues with threads behind them: a disk that is
//! full or a reader that does not read costs lines, which are counted, and holds nobody up.

mod access;
mod file;
mod json;
mod logs;
mod otlp;
mod outlet;
mod settings;
mod traces;

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loadhost_engine::load::log::GUEST;
use loadhost_engine::watch::{Traces, Watchers};
use loadhost_web::access::AUDIT_TARGET;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub(crate) use json::worker;

use self::access::AccessWriter;
use self::file::{LogFile, Steady};
use self::json::JsonLines;
use self::logs::LogExport;
use self::otlp::Otlp;
use self::outlet::{Outlet, to_stderr};
use self::settings::{Format, Place};
use self::traces::TraceExport;
use crate::config::{Commands, Effective};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// It logs several errors a second for as long as the broker is away.
const CLIENT: &str = "async_nats";
/// For the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);
/// For the last traces to be sent.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// What is not sent to a collector, whatever is logged: it would speak of the sending.
const EXPORTERS: &str = ",hyper=off,hyper_util=off,reqwest=off,opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off,opentelemetry_http=off";

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What this process logs to, once it does.
static STARTED: Mutex<Option<Started>> = Mutex::new(None);

struct Started {
    stderr: Outlet,
    file: Option<FileOutlet>,
    /// To a collector of OpenTelemetry.
    collector: Option<Outlet>,
}

struct FileOutlet {
    outlet: Outlet,
    place: Place,
}

/// From here on, logs of this command go out as its settings say. A second start, as in tests, changes nothing.
pub(crate) fn start(settings: &Effective, command: u8) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let Some(format) = format else { return Ok(()) };
    // What a guest says is seen in the view of a run, where there is one.
    let shows_guests = command == Commands::RUN;
    let of_stderr = filter(settings, if shows_guests { ",guest=off" } else { "" })?;
    let of_file = filter(settings, "")?;
    let place = Place::of(settings, "log-file", command)?;
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if started.is_some() {
        return Ok(());
    }
    let stderr = Outlet::new("log", to_stderr).map_err(|error| no_thread(&error))?;
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut layers = vec![layer(format, &stderr, coloured).with_filter(of_stderr).boxed()];
    let file = place.map(FileOutlet::open).transpose()?;
    if let Some(file) = &file {
        layers.push(layer(format, &file.outlet, false).with_filter(of_file).boxed());
    }
    let collector = Otlp::of(settings, command)?.map(|otlp| collected(&otlp)).transpose()?;
    if let Some(collector) = &collector {
        // Sending a line must not make another one.
        let others = filter(settings, EXPORTERS)?;
        layers.push(JsonLines(collector.clone()).with_filter(others).boxed());
    }
    let _ = tracing_subscriber::registry().with(layers).try_init();
    *started = Some(Started { stderr, file, collector });
    Ok(())
}

/// Where metrics are pushed to, if `--otlp` says so.
pub(crate) fn collector(
    settings: &Effective,
    command: u8,
) -> Result<Option<loadhost_web::ops::Collector>, Failure> {
    Otlp::of(settings, command)?.map(|otlp| otlp.metrics()).transpose()
}

fn layer(format: Format, to: &Outlet, coloured: bool) -> AnyLayer {
    match format {
        Format::Json => JsonLines(to.clone()).boxed(),
        Format::Text => {
            tracing_subscriber::fmt::layer().with_writer(to.clone()).with_ansi(coloured).boxed()
        }
    }
}

/// What passes. `quiet`: what else does not, unless it is asked for by name.
fn filter(settings: &Effective, quiet: &str) -> Result<EnvFilter, Failure> {
    let level = settings::level(settings)?;
    // What the client of the broker says, this program says once, in its own words: it is heard if asked for by name.
    let client = if level.contains(CLIENT) { "" } else { ",async_nats=off" };
    let audit = if level.contains(AUDIT_TARGET) { "" } else { ",audit=info" };
    let quiet = if level.contains(GUEST) && quiet.contains(GUEST) { "" } else { quiet };
    EnvFilter::try_new(format!("{level}{client}{audit}{quiet}"))
        .map_err(|error| settings::refuse_level(settings, &error))
}

impl FileOutlet {
    fn open(place: Place) -> Result<Self, Failure> {
        let mut file = Steady::new(place.open()?, "log file");
        let outlet = Outlet::new("log-file", move |lines: &[Vec<u8>]| file.write(lines));
        Ok(Self { outlet: outlet.map_err(|error| no_thread(&error))?, place })
    }
}

fn collected(otlp: &Otlp) -> Result<Outlet, Failure> {
    let mut export = LogExport::new(otlp.logs()?).map_err(|error| no_thread(&error))?;
    let outlet = Outlet::new("otlp-logs", move |lines: &[Vec<u8>]| export.send(lines));
    outlet.map_err(|error| no_thread(&error))
}

/// The process is about to end: waits a moment until its lines are written, and says which are missing.
pub(crate) fn finish() {
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Started { stderr, file, collector }) = started else { return };
    if let Some(outlet) = collector {
        outlet.flush(LAST_LINES);
        let missing = outlet.dropped() + outlet.missing();
        if missing > 0 {
            say!("warning: {missing} lines of the log were not sent to the collector of `--otlp`");
        }
    }
    if let Some(FileOutlet { outlet, place }) = file {
        outlet.flush(LAST_LINES);
        let path = place.path.display();
        let (dropped, lost) = (outlet.dropped(), outlet.missing());
        if dropped > 0 {
            say!(
                "warning: {dropped} lines are not in the log file `{path}`: they came faster than it could be written"
            );
        }
        if lost > 0 {
            say!("warning: {lost} lines are not in the log file `{path}`: it could not be written");
        }
    }
    stderr.flush(LAST_LINES);
    if stderr.dropped() > 0 {
        say!(
            "warning: {} lines of the log were not shown: nobody read them in time",
            stderr.dropped()
        );
    }
}

/// Those who listen to what is told of single requests.
pub(crate) struct Watching {
    access: Option<AccessWriter>,
    traces: Option<TraceExport>,
}

/// What the settings of this command want to be told of single requests, and who listens. Within a runtime.
pub(crate) fn watch(settings: &Effective, command: u8) -> Result<(Watchers, Watching), Failure> {
    let place = Place::of(settings, "access-log", command)?;
    let access = place.map(|place| {
        let file: LogFile = place.open()?;
        AccessWriter::start(file, place.path).map_err(|error| no_thread(&error))
    });
    let (log, access) = access.transpose()?.unzip();
    let (told, traces) = traces(settings, command)?.unzip();
    Ok((Watchers { access: log, traces: told }, Watching { access, traces }))
}

fn traces(settings: &Effective, command: u8) -> Result<Option<(Traces, TraceExport)>, Failure> {
    let (share, propagate) =
        (settings::trace_sample(settings)?, settings.switch("trace-propagate")?);
    let Some((traces, told)) = Traces::new(share, propagate) else { return Ok(None) };
    let otlp = Otlp::of(settings, command)?;
    if otlp.is_none() && !propagate {
        let message = "traces are to be made, but there is nowhere to send them";
        return Err(Failure::new(ExitCode::Configuration, message)
            .hint("give `--otlp URL`, or `--trace-propagate` if only the target is to know of them")
            .of("trace-sample"));
    }
    let export = TraceExport::start(otlp.as_ref(), traces.clone(), told)?;
    Ok(Some((traces, export)))
}

impl Watching {
    /// Users and their requests are gone: waits a moment until all is written, and says what is missing.
    pub(crate) async fn finish(self) {
        if let Some(access) = self.access {
            // A fault in there would have told of itself.
            let _ = tokio::task::spawn_blocking(move || access.finish(LAST_LINES)).await;
        }
        if let Some(traces) = self.traces {
            traces.finish(LAST_SPANS).await;
        }
    }
}

fn no_thread(error: &std::io::Error) -> Failure {
    Failure::new(ExitCode::Unexpected, "a thread cannot be started")
        .because(error)
        .hint("raise `ulimit -u`")
}
