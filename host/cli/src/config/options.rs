//! Every option of the program, once: file keys, environment names and flags come from here.

/// How an option takes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// On or off.
    Switch,
    /// One value.
    One,
    /// Several; in an environment variable, parted by this.
    Many(char),
    /// Names with values: `--flag NAME=VALUE`, `[key]` in the file, `LOADHOST_KEY_NAME`.
    Map,
}

/// Which commands have the option's flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commands(pub(crate) u8);

impl Commands {
    pub(crate) const RUN: u8 = 1;
    pub(crate) const MASTER: u8 = 2;
    pub(crate) const WORKER: u8 = 4;
    pub(crate) const SHOP: u8 = 8;
    pub(crate) const TRACE: u8 = 16;
    pub(crate) const CLIENT: u8 = 32;
    pub(crate) const CLUSTER: u8 = 64;
    pub(crate) const START: u8 = 128;

    pub(crate) fn has(self, command: u8) -> bool {
        self.0 & command != 0
    }
}

/// One option.
#[derive(Debug)]
pub(crate) struct Opt {
    /// In the file; a dot stands for a table.
    pub(crate) key: &'static str,
    /// On the command line, without dashes.
    pub(crate) flag: &'static str,
    /// What the value is called in help texts.
    pub(crate) value: &'static str,
    pub(crate) shape: Shape,
    pub(crate) commands: Commands,
    /// Heading in help texts.
    pub(crate) group: &'static str,
    pub(crate) default: Option<&'static str>,
    /// Whether a scenario may propose it.
    pub(crate) proposable: bool,
    /// Never shown.
    pub(crate) secret: bool,
    pub(crate) help: &'static str,
}

impl Opt {
    /// `LOADHOST_…`
    pub(crate) fn env(&self) -> String {
        format!("LOADHOST_{}", self.key.to_ascii_uppercase().replace(['-', '.'], "_"))
    }

    const fn with(
        key: &'static str,
        value: &'static str,
        commands: u8,
        group: &'static str,
        help: &'static str,
    ) -> Opt {
        Opt {
            key,
            flag: key,
            value,
            shape: Shape::One,
            commands: Commands(commands),
            group,
            default: None,
            proposable: false,
            secret: false,
            help,
        }
    }

    const fn flag(self, flag: &'static str) -> Opt {
        Opt { flag, ..self }
    }

    const fn shape(self, shape: Shape) -> Opt {
        Opt { shape, ..self }
    }

    const fn default(self, text: &'static str) -> Opt {
        Opt { default: Some(text), ..self }
    }

    const fn proposable(self) -> Opt {
        Opt { proposable: true, ..self }
    }

    const fn secret(self) -> Opt {
        Opt { secret: true, ..self }
    }
}

const RUN: u8 = Commands::RUN | Commands::MASTER;
/// What `loadhost start` may ask of a master as well.
const LOADS: u8 = RUN | Commands::START;
const SEND: u8 = RUN | Commands::TRACE;
const SENDS: u8 = SEND | Commands::START;
const ASK: u8 = Commands::CLIENT | Commands::START;
const SHARE: u8 = Commands::MASTER | Commands::START;
const FLEET: u8 = Commands::MASTER | Commands::WORKER;
const CONNECT: u8 = FLEET | Commands::CLUSTER;
const LOCAL: u8 = Commands::RUN | Commands::WORKER | Commands::TRACE;
const ALL: u8 = SENDS | FLEET | Commands::SHOP | Commands::CLIENT | Commands::CLUSTER;

const SCENARIO: &str = "Scenario";
const LOAD: &str = "Load";
const HTTP: &str = "Requests";
const SANDBOX: &str = "Sandbox and machine";
const VERDICT: &str = "Verdict and outputs";
const FLEET_GROUP: &str = "Fleet";
const API: &str = "Health, metrics and API";
const WORKER: &str = "Worker";
const SHOP: &str = "Shop";
const PROGRAM: &str = "Program";

use Shape::{Many, Map, Switch};

/// All of them, in the order of help texts.
pub(crate) const OPTIONS: &[Opt] = &[
    Opt::with("scenario", "FILE", SEND, SCENARIO, "The scenario: a WebAssembly component"),
    Opt::with("host", "URL", SENDS, SCENARIO, "Base URL of the target; the scenario's relative URLs go there").proposable(),
    Opt::with("params", "NAME=VALUE", SENDS, SCENARIO, "A parameter of the scenario; `loadhost check` lists them").flag("param").shape(Map),
    Opt::with("data", "NAME=FILE", SENDS, SCENARIO, "Rows of a data set, from CSV or JSON lines; how they are handed out may follow, as `,order=circular` (docs/data.md)").shape(Map),
    Opt::with("tags", "TAG", SENDS, SCENARIO, "Only tasks with one of these tags").shape(Many(',')).proposable(),
    Opt::with("exclude-tags", "TAG", SENDS, SCENARIO, "No task with one of these tags").shape(Many(',')).proposable(),
    Opt::with("tasks", "NAME", SENDS, SCENARIO, "Only these tasks, even those of weight 0").flag("task").shape(Many(',')),
    Opt::with("user-types", "NAME=WEIGHT|NAME:COUNT", SENDS, SCENARIO, "Weight, or exact number, of users of a type, over the scenario's own (in the file: `Name = 3`, or `Name = \":5\"` for exactly five)").flag("user-type").shape(Map).proposable(),
    Opt::with("seed", "NUMBER", SENDS, SCENARIO, "Of all random choices, so that a run can be repeated; default: drawn and shown"),

    Opt::with("users", "N", LOADS, LOAD, "Users; of iterations: how many share them").proposable(),
    Opt::with("spawn-rate", "N", LOADS, LOAD, "Users started per second until all are there; default: all at once").proposable(),
    Opt::with("stages", "STAGES", LOADS, LOAD, "Users over time, such as `10s->100, 1m->100, 10s->0`").proposable(),
    Opt::with("rate", "RATE", LOADS, LOAD, "Iterations started by the clock, such as `100/s` or `6000/m`, whether or not earlier ones are over").proposable(),
    Opt::with("rate-stages", "STAGES", LOADS, LOAD, "Iterations per second over time, such as `10s->100, 1m->100`").proposable(),
    Opt::with("poisson", "", LOADS, LOAD, "Exponential gaps between arrivals instead of equal ones").shape(Switch).proposable(),
    Opt::with("max-users", "N", LOADS, LOAD, "Users at most, for arrival rates; default: as many as the rate needs for one second, from 1,000 to 10,000; made when they are needed").proposable(),
    Opt::with("preallocate", "N", LOADS, LOAD, "Users made before the start, for arrival rates; default: as many as the rate needs for 20 ms").proposable(),
    Opt::with("max-lag", "DURATION", LOADS, LOAD, "An arrival that would start later than this is dropped and counted").default("10s").proposable(),
    Opt::with("iterations", "N", LOADS, LOAD, "So many iterations, shared by all users").proposable(),
    Opt::with("per-user", "", LOADS, LOAD, "`--iterations` is for each user").shape(Switch).proposable(),
    Opt::with("run-time", "DURATION", LOADS, LOAD, "The run ends here; default: when its load is over, or with Ctrl-C").flag("run-time").proposable(),
    Opt::with("warm-up", "DURATION", LOADS, LOAD, "Statistics begin anew here").proposable(),
    Opt::with("graceful-stop", "DURATION", LOADS, LOAD, "How long iterations may go on after the end").default("30s").proposable(),
    Opt::with("max-rps", "N", LOADS, LOAD, "Requests per second over the whole run, at most").proposable(),

    Opt::with("headers", "NAME: VALUE", SENDS, HTTP, "Sent with each request that has no such header").flag("header").shape(Many('\n')).secret(),
    Opt::with("timeout", "DURATION", SENDS, HTTP, "From sending to the end of the body").default("30s").proposable(),
    Opt::with("connect-timeout", "DURATION", SENDS, HTTP, "For name resolution, TCP and TLS together").default("10s"),
    Opt::with("first-byte-timeout", "DURATION", SENDS, HTTP, "From the request to the first byte of the answer"),
    Opt::with("max-redirects", "N", SENDS, HTTP, "Redirects followed").default("10"),
    Opt::with("no-keep-alive", "", SENDS, HTTP, "A new connection for each request").shape(Switch),
    Opt::with("user-agent", "TEXT", SENDS, HTTP, "Sent as User-Agent"),
    Opt::with("basic-auth", "USER:PASSWORD", SENDS, HTTP, "Sent to the target as Authorization").secret(),
    Opt::with("bearer", "TOKEN", SENDS, HTTP, "Sent to the target as Authorization").secret(),
    Opt::with("insecure", "", SENDS, HTTP, "Accept any certificate").shape(Switch),
    Opt::with("ca", "FILE", SEND, HTTP, "Trust these certificates (PEM) too"),
    Opt::with("cert", "FILE", SEND, HTTP, "Certificate chain shown to servers (PEM)"),
    Opt::with("key", "FILE", SEND, HTTP, "Private key of `--cert` (PEM)"),
    Opt::with("resolve", "HOST=ADDRESS", SENDS, HTTP, "Dial this address instead of the host's own").shape(Map),
    Opt::with("dns-ttl", "DURATION", SENDS, HTTP, "How long resolved names are kept").default("1m"),
    Opt::with("allow-hosts", "HOST", SENDS, HTTP, "May be reached besides the target: `name`, `name:port`, `*.name`, `*`").flag("allow-host").shape(Many(',')),

    Opt::with("limits", "NAME=VALUE", SENDS, SANDBOX, "A cap of the sandbox, such as `memory_bytes=128MiB`; `loadhost help limits` lists them").flag("limit").shape(Map),
    Opt::with("allow-private", "", LOCAL, SANDBOX, "Scenarios may reach loopback and private addresses besides the target's own").shape(Switch),
    Opt::with("shards", "N", LOCAL, SANDBOX, "Threads that make load; default: one per core"),
    Opt::with("cache-dir", "FOLDER", LOCAL, SANDBOX, "Where compiled scenarios are kept; default: in the user's cache folder"),
    Opt::with("prepare-timeout", "DURATION", RUN, SANDBOX, "How long workers may take to fetch and compile a scenario before its run fails, from 1s to 1h; of a fleet, what the master that leads was given; default: 1m, of `run` 2m"),

    Opt::with("thresholds", "CONDITION", LOADS, VERDICT, "Such as `http_req_duration p(95) < 500ms`; exit code 99 if it does not hold").flag("threshold").shape(Many(';')),
    Opt::with("abort-after", "DURATION", LOADS, VERDICT, "Stop the run when a threshold is broken, not before this much time").proposable(),
    Opt::with("json", "FILE", LOADS, VERDICT, "Write all results as JSON (`-`: to stdout, instead of the summary)"),
    Opt::with("csv", "PREFIX", RUN, VERDICT, "Write Locust's four CSV files, each second"),
    Opt::with("csv-full-history", "", RUN, VERDICT, "Each name in PREFIX_stats_history.csv, not only all together").shape(Switch),
    Opt::with("html", "FILE", LOADS, VERDICT, "Write a report: one page with charts and tables, which needs nothing else"),
    Opt::with("junit", "FILE", LOADS, VERDICT, "Write thresholds and checks as JUnit XML"),
    Opt::with("compare", "FILE", RUN, VERDICT, "Compare with the JSON of an earlier run"),
    Opt::with("fail-on-regression", "", RUN, VERDICT, "Exit code 100 if `--compare` finds one").shape(Switch),
    Opt::with("quiet", "", SEND, VERDICT, "No live view, no summary").shape(Switch),

    Opt::with("nats", "URL", CONNECT, FLEET_GROUP, "The NATS server, such as nats://10.0.0.5:4222; several parted by commas").secret(),
    Opt::with("nats-server", "FILE", Commands::MASTER, FLEET_GROUP, "The nats-server that a master starts for itself if no `--nats` is given; default: the one that is installed"),
    Opt::with("data-dir", "FOLDER", Commands::MASTER, FLEET_GROUP, "Where a master's own nats-server keeps runs and uploads if no `--nats` is given; default: `loadhost/NAME` in the user's state folder, NAME being the fleet's"),
    Opt::with("nats-reconnect-attempts", "N", FLEET, FLEET_GROUP, "How often a connection to the NATS server that broke is tried again, for each of its addresses, before this process gives up (exit code 115); 0: without end").default("0"),
    Opt::with("nats-reconnect-interval", "DURATION", FLEET, FLEET_GROUP, "The longest time between two such attempts; the first ones come sooner").default("1s"),
    Opt::with("nats-creds", "FILE", CONNECT, FLEET_GROUP, "Credentials file for the NATS server"),
    Opt::with("nats-nkey", "FILE", CONNECT, FLEET_GROUP, "Key (nkey seed) for the NATS server, as `loadhost nats-config` makes it"),
    Opt::with("nats-token", "TOKEN", CONNECT, FLEET_GROUP, "Token for the NATS server").secret(),
    Opt::with("nats-ca", "FILE", CONNECT, FLEET_GROUP, "Trust these certificates (PEM) of the NATS server"),
    Opt::with("nats-cert", "FILE", CONNECT, FLEET_GROUP, "Certificate chain shown to the NATS server (PEM)"),
    Opt::with("nats-key", "FILE", CONNECT, FLEET_GROUP, "Private key of `--nats-cert` (PEM)"),
    Opt::with("cluster", "NAME", CONNECT, FLEET_GROUP, "Separates fleets that share one server").default("default"),
    Opt::with("sign", "FILE", Commands::MASTER, FLEET_GROUP, "Sign the scenario with this key (`loadhost key new`), for workers with `--trust`"),
    Opt::with("priority", "NUMBER", Commands::MASTER, FLEET_GROUP, "Of masters that stand by, the one with the greatest follows a leader that is gone").default("0"),
    Opt::with("lease", "DURATION", Commands::MASTER, FLEET_GROUP, "A leader that was not heard for so long is gone; 1s at least, and the same for all masters").default("3s"),
    Opt::with("heartbeat", "DURATION", Commands::MASTER, FLEET_GROUP, "How often a leader says that it leads; at most a third of `--lease`; default: 1s, or that third if it is less"),
    Opt::with("state-checkpoint", "DURATION", Commands::MASTER, FLEET_GROUP, "How often the numbers of a run are saved for the next leader").default("3s"),
    Opt::with("worker-timeout", "DURATION", Commands::MASTER, FLEET_GROUP, "A worker that was not heard for so long is lost, and others take over its share; twice the workers' `--heartbeat` at least").default("3s"),
    Opt::with("master.memory-limit", "SIZE", Commands::MASTER, FLEET_GROUP, "While it leads and has more memory than this, such as 4GiB, new runs are refused").flag("memory-limit"),
    Opt::with("master.cpu-limit", "PERCENT", Commands::MASTER, FLEET_GROUP, "While it leads and takes more of its cores than this, such as 80%, new runs are refused").flag("cpu-limit"),
    Opt::with("expect-workers", "N", SHARE, FLEET_GROUP, "Start when so many are there").default("1"),
    Opt::with("placement", "EXPRESSION", SHARE, FLEET_GROUP, "Workers that may take part, by their tags, such as `region=eu && type!=small`; default: all"),
    Opt::with("distribution", "NAME", SHARE, FLEET_GROUP, "How load is shared: `round-robin` (equally), `least-loaded` (by room and measured CPU) or `weighted` (by the workers' weights)").default("round-robin"),
    Opt::with("rebalance-interval", "DURATION", SHARE, FLEET_GROUP, "How often shares are weighed anew, besides when a worker comes or goes; 0s: never").default("30s"),
    Opt::with("on-worker-lost", "POLICY", SHARE, FLEET_GROUP, "What becomes of the share of a lost worker: `rebalance` (others take it over), `continue` (it is missing until the worker is back) or `abort`").default("rebalance"),
    Opt::with("max-retries", "N", SHARE, FLEET_GROUP, "How often a worker that failed is tried again in one run").default("3"),
    Opt::with("max-wait", "DURATION", FLEET | Commands::START, FLEET_GROUP, "For workers to join, and for the NATS server to be reached").default("1m"),

    Opt::with("listen", "ADDRESS", RUN, API, "Serve /health, /ready, /metrics and the API here; default: 127.0.0.1:8089 for a master, nowhere for `run`"),
    Opt::with("drain-delay", "DURATION", Commands::MASTER, API, "Once told to stop (SIGTERM, Ctrl-C): go on serving for so long, without the lead and with /ready saying that it drains, for load balancers to notice").default("0s"),
    Opt::with("max-connections", "N", RUN, API, "Connections to page and API at once; more are closed").default("2048"),
    Opt::with("web-users", "FILE", RUN, API, "Users with passwords and roles, and tokens: whoever asks must log in; `loadhost user add` makes the file (docs/access.md)"),
    Opt::with("insecure-no-auth", "", RUN, API, "Allow `--listen` on an address that others reach without `--web-users`: everybody may do everything").shape(Switch),
    Opt::with("tls-cert", "FILE", RUN, API, "Serve HTTPS with this certificate chain (PEM); read again when it changes"),
    Opt::with("tls-key", "FILE", RUN, API, "Private key of `--tls-cert` (PEM)"),
    Opt::with("web-base-path", "PATH", RUN, API, "What a proxy puts before all paths, such as /loadhost"),
    Opt::with("trusted-proxy", "CIDR,…", RUN, API, "Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, such as 127.0.0.1,10.0.0.0/8; default: none"),
    Opt::with("url", "URL", ASK, API, "Where commands such as `start`, `stop` and `status` ask; default: where `listen` says, else http://127.0.0.1:8089"),
    Opt::with("token", "TOKEN", ASK, API, "What these commands show to a master whose users log in; `loadhost user token` makes one").secret(),
    Opt::with("url-ca", "FILE", ASK, API, "Trust these certificates (PEM) of the master at `--url https://…`").flag("ca"),

    Opt::with("worker.id", "NAME", Commands::WORKER, WORKER, "To stay over restarts; default: the machine's name and a suffix that is new each time").flag("id"),
    Opt::with("worker.tags", "NAME=VALUE", Commands::WORKER, WORKER, "A label, such as region=eu or region:eu").flag("tag").shape(Map),
    Opt::with("worker.max-users", "N", Commands::WORKER, WORKER, "Users at most, below what the machine holds; of each process").flag("max-users"),
    Opt::with("worker.weight", "N", Commands::WORKER, WORKER, "How much of the load it is to have beside others, if a run is distributed by weight").flag("weight").default("1"),
    Opt::with("worker.heartbeat", "DURATION", Commands::WORKER, WORKER, "How often it says how it is; half of the masters' `--worker-timeout` at most").flag("heartbeat").default("1s"),
    Opt::with("worker.dead-man", "DURATION", Commands::WORKER, WORKER, "How long it goes on making load without hearing a leader, from 2s to 1h; longer than it takes the masters to elect one (`--lease`)").flag("dead-man").default("30s"),
    Opt::with("worker.processes", "N|auto", Commands::WORKER, WORKER, "So many workers, named ID-1, ID-2, …, with ports of their own (the next numbers); `auto`: one per core").flag("processes").default("1"),
    Opt::with("worker.drain-deadline", "DURATION", Commands::WORKER, WORKER, "Once told to stop (SIGTERM, Ctrl-C): hand its users to other workers, end what is left of their iterations, and hand over the last measurements, all within this time").flag("drain-deadline").default("25s"),
    Opt::with("worker.memory-limit", "SIZE", Commands::WORKER, WORKER, "Take no users beyond this memory, such as 2GiB, and shed load above it; of each process").flag("memory-limit"),
    Opt::with("worker.cpu-limit", "PERCENT", Commands::WORKER, WORKER, "Shed load while it takes more of its cores than this, such as 80%").flag("cpu-limit"),
    Opt::with("worker.trust", "KEY", Commands::WORKER, WORKER, "Run only scenarios that one of these public keys has signed; `loadhost key new` makes one").flag("trust").shape(Many(',')),
    Opt::with("worker.listen", "ADDRESS", Commands::WORKER, WORKER, "Serve /health, /ready and /metrics here, at one port; default: `--health-listen` and `--metrics-listen`").flag("listen"),
    Opt::with("worker.health-listen", "ADDRESS", Commands::WORKER, WORKER, "Serve /health and /ready here, unless `--listen` says where; done without if the default is in use").flag("health-listen").default("127.0.0.1:8080"),
    Opt::with("worker.metrics-listen", "ADDRESS", Commands::WORKER, WORKER, "Serve /metrics here, unless `--listen` says where; done without if the default is in use").flag("metrics-listen").default("127.0.0.1:9090"),
    Opt::with("worker.listen-beyond-loopback", "", Commands::WORKER, WORKER, "Allow `--listen`, `--health-listen` and `--metrics-listen` on an address that others reach; there is nothing but health and metrics").flag("listen-beyond-loopback").shape(Switch),

    Opt::with("demo-shop.listen", "ADDRESS", Commands::SHOP, SHOP, "Where to serve").flag("listen").default("127.0.0.1:8000"),
    Opt::with("demo-shop.delay", "DURATION", Commands::SHOP, SHOP, "Before each answer").flag("delay").default("0s"),
    Opt::with("demo-shop.jitter", "DURATION", Commands::SHOP, SHOP, "Added to the delay, uniformly from zero").flag("jitter").default("0s"),
    Opt::with("demo-shop.error-rate", "SHARE", Commands::SHOP, SHOP, "Requests answered with status 500, 0 to 1").flag("error-rate").default("0"),
    Opt::with("demo-shop.stall-every", "DURATION", Commands::SHOP, SHOP, "Stand still once in each of these").flag("stall-every").default("0s"),
    Opt::with("demo-shop.stall-for", "DURATION", Commands::SHOP, SHOP, "How long to stand still").flag("stall-for").default("0s"),
    Opt::with("demo-shop.slow-paths", "PATH=DURATION", Commands::SHOP, SHOP, "Added to the delay of one path, such as /checkout=200ms").flag("slow-path").shape(Map),
    Opt::with("demo-shop.threads", "N", Commands::SHOP, SHOP, "Threads; default: one per core").flag("threads"),

    Opt::with("log-level", "LEVEL", ALL, PROGRAM, "error, warn, info, debug, trace, or a filter such as `info,loadhost_engine=debug`").default("warn"),
    Opt::with("log-format", "FORMAT", ALL, PROGRAM, "text or json").default("text"),
    Opt::with("log-file", "FILE", RUN | Commands::WORKER, PROGRAM, "Write the log to this file as well; of several worker processes, to FILE-1, FILE-2, …"),
    Opt::with("log-max-size", "SIZE", RUN | Commands::WORKER, PROGRAM, "When a log file or an access log is as large, it becomes FILE.1, and a new one is begun").default("100MB"),
    Opt::with("log-backups", "N", RUN | Commands::WORKER, PROGRAM, "Files FILE.1, FILE.2, … that are kept of each").default("5"),
    Opt::with("access-log", "FILE", Commands::RUN | Commands::WORKER, PROGRAM, "Write a line of JSON for each request (docs/logging.md); without headers, bodies and values of queries"),
    Opt::with("otlp", "URL", RUN | Commands::WORKER, PROGRAM, "Send OpenTelemetry to the collector here (OTLP over HTTP), such as http://127.0.0.1:4318 (docs/logging.md); default: what OTEL_EXPORTER_OTLP_ENDPOINT says"),
    Opt::with("otlp-headers", "NAME=VALUE", RUN | Commands::WORKER, PROGRAM, "A header for the collector, such as a key").flag("otlp-header").shape(Map).secret(),
    Opt::with("otlp-interval", "DURATION", RUN | Commands::WORKER, PROGRAM, "How often it is sent").default("10s"),
    Opt::with("trace-sample", "SHARE", Commands::RUN | Commands::WORKER, PROGRAM, "Send a trace of so many of the iterations, from 0 to 1, such as 0.01").default("0"),
    Opt::with("trace-propagate", "", Commands::RUN | Commands::WORKER, PROGRAM, "Requests of these iterations tell the target so, in a header `traceparent`").shape(Switch),
];

/// The option of this key; `_` and `-` are the same.
pub(crate) fn by_key(key: &str) -> Option<&'static Opt> {
    let key = key.replace('_', "-");
    OPTIONS.iter().find(|option| option.key == key)
}

/// The name most like `wrong` among `names`, if one is like it at all.
pub(crate) fn similar<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase().replace('_', "-");
    names
        .into_iter()
        .map(|name| {
            (strsim::jaro_winkler(&wrong, &name.to_ascii_lowercase().replace('_', "-")), name)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_and_environment_names_are_distinct_and_flags_within_a_command() {
        let keys: BTreeSet<_> = OPTIONS.iter().map(|option| option.key).collect();
        assert_eq!(keys.len(), OPTIONS.len());
        let names: BTreeSet<_> = OPTIONS.iter().map(Opt::env).collect();
        assert_eq!(names.len(), OPTIONS.len());
        for bit in 0..u8::BITS {
            let command = 1 << bit;
            let flags: Vec<_> = OPTIONS
                .iter()
                .filter(|option| option.commands.has(command))
                .map(|option| option.flag)
                .collect();
            assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len(), "{flags:?}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_understood() {
        let keys = || OPTIONS.iter().map(|option| option.key);
        assert_eq!(similar("max_usres", keys()), Some("max-users"));
        assert_eq!(similar("treshold", keys()), Some("thresholds"));
        assert_eq!(similar("guests", keys()), None);
        assert_eq!(similar("bin", keys()), None);
    }
}
