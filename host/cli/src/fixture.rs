//! One run with something of everything, for snapshots.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadhost_control::report::{EndReason, RunReport, Verdict};
use loadhost_control::view::{
    CheckRow, Collection, ErrorRow, GeneratorView, HttpRow, MetricRow, MetricValue, Note, NoteKind,
    Point, PointTimes, RunState, RunView, TaskRow, ThresholdState, ThresholdView, Times, Window,
};
use loadhost_model::description::Description;
use loadhost_model::histogram::Histogram;
use loadhost_model::id::{Digest, RunId};
use loadhost_model::interval::{Counters, HttpStats, Origin, SeriesStats, Statistics, StepTimes};
use loadhost_model::metric::{Kind, SeriesKey};
use loadhost_model::plan::{HttpSettings, Limits, RunPlan, TaskFilter};
use loadhost_model::profile::{Curve, Load, Phase, Profile};

/// A distribution around `centre` microseconds.
pub(crate) fn histogram(centre: u64, count: u64) -> Histogram {
    let mut histogram = Histogram::new();
    (0..count).for_each(|i| histogram.record(centre / 2 + i * 7_919 % 1_000 * centre / 1_000));
    histogram
}

fn stats(centre: u64, requests: u64, failures: u64) -> HttpStats {
    HttpStats {
        requests,
        failures,
        response_time: histogram(centre * 2, requests),
        service_time: histogram(centre, requests),
        bytes_sent: requests * 120,
        bytes_received: requests * 400,
        body_bytes: requests * 200,
        statuses: BTreeMap::from([(200, requests - failures), (500, failures)]),
        steps: StepTimes { connections: requests / 100, ..StepTimes::default() },
    }
}

fn row(method: &str, name: &str, stats: &HttpStats) -> HttpRow {
    HttpRow {
        method: method.into(),
        name: name.into(),
        requests: stats.requests,
        failures: stats.failures,
        rps: stats.requests as f64 / 60.0,
        fps: stats.failures as f64 / 60.0,
        current_rps: stats.requests as f64 / 59.0,
        current_fps: 0.0,
        response_time: Times::of(&stats.response_time),
        service_time: Times::of(&stats.service_time),
        mean_body_bytes: 200.0,
        bytes_sent: stats.bytes_sent,
        bytes_received: stats.bytes_received,
        statuses: stats.statuses.clone(),
        steps: stats.steps,
    }
}

fn series() -> Vec<(&'static str, &'static str, HttpStats)> {
    vec![
        ("POST", "/login", stats(8_000, 600, 0)),
        ("GET", "/item/{id}", stats(2_000, 54_000, 12)),
        ("GET", "/a/rather/long/path/that/does/not/fit/{id}", stats(300_000, 1_200, 0)),
    ]
}

fn total() -> HttpStats {
    let mut total = HttpStats::default();
    series().iter().for_each(|(_, _, stats)| total.merge(stats));
    total
}

/// After 42 of 90 seconds.
pub(crate) fn view() -> RunView {
    let total = total();
    RunView {
        run: RunId::new("01J9ZX3V6Q0000000000000001").unwrap(),
        scenario: "checkout".into(),
        scenario_version: Some("1.2.0".into()),
        module: Digest::new([0xab; 32]),
        target: Some("http://127.0.0.1:8000".into()),
        params: BTreeMap::from([("pause".into(), "1s".into()), ("password".into(), "***".into())]),
        seed: 42,
        state: RunState::Running,
        phase: "main".into(),
        started: Some(1_795_330_000_000_000),
        elapsed: Duration::from_secs(42),
        length: Some(Duration::from_secs(90)),
        remaining: Some(Duration::from_secs(48)),
        workers: 2,
        workers_lost: 0,
        losses: Vec::new(),
        unserved: 0.0,
        unconfirmed_shares: 0,
        users: 1_400,
        users_by_type: BTreeMap::from([("Shopper".into(), 1_400)]),
        users_wanted: None,
        rate_wanted: Some(1_000.0),
        counted_from: Duration::ZERO,
        counted: Duration::from_secs(60),
        load_time: Duration::from_secs(60),
        total: row("", "Aggregated", &total),
        window: window(),
        rows: series().iter().map(|(method, name, stats)| row(method, name, stats)).collect(),
        rows_omitted: 0,
        tasks: tasks(),
        checks: checks(),
        groups: Vec::new(),
        metrics: metrics(),
        errors: errors(),
        errors_omitted: 0,
        thresholds: thresholds(),
        counters: Counters {
            arrivals: 60_000,
            dropped_arrivals: 17,
            interrupted: 4,
            crashed_users: 3,
            capped: BTreeMap::from([("log_lines".into(), 1_200)]),
        },
        collection: Collection { merged: 120, duplicates: 0, missing: 0 },
        generator: GeneratorView {
            cpu: 0.34,
            cpu_peak: 0.61,
            loop_lag_p99: Some(640),
            start_lag_p99: Some(210),
            ..GeneratorView::default()
        },
        shared: Default::default(),
        history: (0..42).map(point).collect(),
        notes: Vec::new(),
        ended: None,
    }
}

fn window() -> Window {
    Window {
        seconds: 10,
        rps: 998.4,
        fps: 0.2,
        iterations: 500.0,
        dropped: 0.0,
        response_time: Times::of(&histogram(56_000, 1_000)),
        service_time: Times::of(&histogram(28_000, 1_000)),
    }
}

fn tasks() -> Vec<TaskRow> {
    vec![TaskRow {
        user_type: "Shopper".into(),
        task: "buy".into(),
        iterations: 12_345,
        failures: 3,
        rate: 205.75,
        share: 1.0,
        share_wanted: Some(1.0),
        duration: Times::of(&histogram(40_000, 1_000)),
    }]
}

fn checks() -> Vec<CheckRow> {
    vec![
        CheckRow { name: "item has a price".into(), group: "".into(), passes: 54_000, failures: 0 },
        CheckRow { name: "total is right".into(), group: "cart".into(), passes: 598, failures: 2 },
    ]
}

fn metrics() -> Vec<MetricRow> {
    vec![
        MetricRow {
            name: "orders".into(),
            unit: "".into(),
            tags: vec![("country".into(), "de".into())],
            kind: Kind::Counter,
            value: MetricValue::Counter { sum: 600.0, rate: 10.0 },
        },
        MetricRow {
            name: "basket".into(),
            unit: "EUR".into(),
            tags: Vec::new(),
            kind: Kind::Trend,
            value: MetricValue::Trend {
                count: 600,
                min: 1.0,
                mean: 33.456,
                p50: 30.0,
                p90: 60.0,
                p95: 70.5,
                p99: 90.0,
                max: 99.0,
            },
        },
    ]
}

fn errors() -> Vec<ErrorRow> {
    vec![
        ErrorRow {
            origin: Origin::Request { method: "GET".into(), name: "/item/{id}".into() },
            code: "http-status".into(),
            message: "status 500".into(),
            count: 12,
            first: Duration::from_secs(3),
            last: Duration::from_secs(40),
            detail: "".into(),
        },
        ErrorRow {
            origin: Origin::Task { user_type: "Shopper".into(), task: "buy".into() },
            code: "trap-unreachable".into(),
            message: "panicked: the cart is gone".into(),
            count: 3,
            first: Duration::from_secs(5),
            last: Duration::from_secs(6),
            detail:
                "checkout::Shopper::buy at src/lib.rs:31:9\n\nthread panicked at src/lib.rs:31:9"
                    .into(),
        },
    ]
}

fn thresholds() -> Vec<ThresholdView> {
    let threshold = |text: &str, state, value| ThresholdView {
        text: text.into(),
        state,
        value,
        broken_since: None,
        abort_after: None,
    };
    vec![
        threshold("http_req_duration p(95) < 500ms", ThresholdState::Ok, Some(5.912)),
        threshold("http_req_failed rate < 0.01%", ThresholdState::Broken, Some(0.000_215)),
        threshold("http_req_duration{name=/nowhere} p(95) < 1s", ThresholdState::NoData, None),
    ]
}

fn point(second: u64) -> Point {
    let rps = 500.0 + 500.0 * (second as f64 / 6.0).sin().abs();
    Point {
        at: Duration::from_secs(second),
        span: Duration::from_secs(1),
        users: 1_400,
        rps,
        requests: rps as u64,
        response_time: Some(PointTimes { p50: 2_000, p95: 5_000, p99: 9_000 }),
        counted: true,
        ..Point::default()
    }
}

/// The same run when it is over.
pub(crate) fn report() -> RunReport {
    let statistics = Statistics {
        series: series()
            .into_iter()
            .map(|(method, name, stats)| {
                let key = SeriesKey::Http {
                    method: method.into(),
                    name: name.into(),
                    tags: Arc::new([]),
                    group: "".into(),
                };
                (key, SeriesStats::Http(Box::new(stats)))
            })
            .collect(),
        ..Statistics::default()
    };
    let mut view = view();
    view.state = RunState::Finished;
    view.elapsed = Duration::from_secs(60);
    view.generator.saturated_for = Duration::from_secs(4);
    view.generator.first_reason = Some("CPU of a shard above 90 %".into());
    view.notes = vec![
        Note {
            at: Some(Duration::from_secs(9)),
            kind: NoteKind::Warning,
            message: "worker `w-3` was lost at 00:09 with a share of 1/3".into(),
        },
        Note { at: None, kind: NoteKind::Info, message: "not shown".into() },
    ];
    view.ended = Some(EndReason::Completed);
    RunReport {
        verdict: Verdict::new(view.thresholds.clone()),
        history: view.history.clone(),
        statistics,
        after_load: Statistics::default(),
        plan: Arc::new(plan(&view)),
        description: Arc::new(description()),
        ended: EndReason::Completed,
        view,
    }
}

fn plan(view: &RunView) -> RunPlan {
    let users = Curve { start: 5.0, stages: Vec::new(), hold: true };
    RunPlan {
        run: view.run.clone(),
        scenario: view.scenario.clone(),
        module: view.module,
        target: view.target.clone(),
        params: BTreeMap::new(),
        secret_params: Vec::new(),
        data: Default::default(),
        seed: view.seed,
        profile: Profile {
            phases: vec![Phase {
                name: "main".into(),
                start: Duration::ZERO,
                load: Load::Closed { users },
                user_types: Vec::new(),
            }],
            run_time: None,
            max_request_rate: None,
        },
        user_types: BTreeMap::new(),
        tasks: TaskFilter::default(),
        http: HttpSettings::default(),
        limits: Limits::default(),
        thresholds: Vec::new(),
        graceful_stop: Duration::from_secs(30),
        warm_up: None,
        fleet: Default::default(),
    }
}

fn description() -> Description {
    Description {
        name: "checkout".into(),
        version: Some("1.2.0".into()),
        sdk: None,
        user_types: Vec::new(),
        thresholds: Vec::new(),
        data_sets: Vec::new(),
        hosts: Vec::new(),
        parameters: Vec::new(),
        settings: Vec::new(),
        has_load_shape: false,
    }
}
