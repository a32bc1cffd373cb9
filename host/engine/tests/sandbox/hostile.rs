//! Each attack harms only the user that makes it: the right code, the right counter, and the
//! next user is fine.

use std::time::{Duration, Instant};

use loadhost_engine::load::vu::{CallOutcome, Due, Vu};
use loadhost_model::metric::SeriesKey;
use loadhost_model::plan::{Limits, LogLevel};

use crate::bench::{Bench, crash};

/// Short times, so that the test is short.
fn quick(limits: &mut Limits) {
    limits.task_cpu = Duration::from_millis(200);
    limits.task_time = Duration::from_secs(3);
    limits.start_time = Duration::from_secs(3);
    limits.stop_time = Duration::from_secs(3);
}

async fn check(mode: &str, code: &str, message: &str) {
    let bench = Bench::with(mode, 2, quick).await;
    let crash = bench.crash().await;
    assert_eq!(&*crash.code, code, "{crash:?}");
    assert!(crash.message.contains(message), "{}", crash.message);
    // Its place in the pool is free again: there are only a few.
    for number in 1..10 {
        assert!(matches!(bench.factory_user(number).await, CallOutcome::Done));
    }
}

impl Bench {
    /// A user that is made and started; modes that harm in the task leave it alone.
    async fn factory_user(&self, number: u64) -> CallOutcome {
        self.user(number).await.start().await
    }
}

#[tokio::test]
async fn an_endless_loop_in_a_task_ends_at_the_cpu_limit() {
    let begun = Instant::now();
    check("loop", "limit-task_cpu", "raise it with `--limit task_cpu=VALUE`").await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn an_endless_loop_in_start_stop_and_constructor_ends_too() {
    let bench = Bench::with("start-loop", 2, quick).await;
    assert_eq!(&*bench.crash().await.code, "limit-task_cpu");
    let bench = Bench::with("new-loop", 2, quick).await;
    let error = loadhost_engine::load::vu::VuFactory::make(&bench.factory, bench.identity(0)).await;
    assert_eq!(&*error.err().unwrap().code, "limit-task_cpu");
    let mut bench = Bench::with("stop-loop", 2, quick).await;
    let mut user = bench.user(0).await;
    assert_eq!(user.start().await, CallOutcome::Done);
    assert_eq!(&*crash(user.stop().await).code, "limit-task_cpu");
    assert_eq!(bench.capped("task_cpu"), 1);
}

#[tokio::test]
async fn computing_within_the_limit_is_fine() {
    let bench = Bench::new("busy").await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
}

#[tokio::test]
async fn deep_recursion_exhausts_the_guests_stack_only() {
    check("overflow", "trap-stack-overflow", "recurse").await;
    check("deep", "trap-stack-overflow", "descend").await;
}

#[tokio::test]
async fn a_panic_shows_its_text_and_the_guests_own_line() {
    let bench = Bench::new("trap").await;
    let crash = bench.crash().await;
    assert_eq!(&*crash.code, "trap-unreachable");
    assert!(crash.message.contains("no such item"), "{}", crash.message);
    assert!(crash.message.contains("hostile/src/lib.rs:"), "{}", crash.message);
    assert!(crash.detail.contains("harm"), "{}", crash.detail);
    assert!(crash.detail.contains("src/lib.rs:"), "{}", crash.detail);
    assert!(crash.detail.contains("last lines on stderr:"), "{}", crash.detail);
    assert!(crash.detail.contains("in attack"), "{}", crash.detail);
}

#[tokio::test]
async fn traps_in_start_stop_and_setup_are_told_apart() {
    let bench = Bench::new("start-trap").await;
    assert!(bench.crash().await.detail.contains("in on-start"));
    let bench = Bench::new("stop-trap").await;
    let mut user = bench.user(0).await;
    assert_eq!(user.run_task(0, Due::now()).await, CallOutcome::Done);
    assert!(crash(user.stop().await).detail.contains("in on-stop"));
    let bench = Bench::new("setup-trap").await;
    let outcome = bench.factory.setup(bench.identity(0)).await.unwrap_err();
    assert!(crash(outcome).message.contains("no setup"));
}

#[tokio::test]
async fn other_traps_have_codes_of_their_own() {
    check("divide", "trap-unreachable", "attempt to divide by zero").await;
    check("exit", "exit", "exit").await;
    check("kinds", "misuse", "the metric `one` is a Counter and cannot be a Trend too").await;
    check("groups", "misuse", "nested too deeply").await;
}

#[tokio::test]
async fn memory_stops_growing_at_the_limit() {
    check("memory-bomb", "limit-memory_bytes", "--limit memory_bytes=VALUE").await;
    let mut bench = Bench::new("small-grows").await;
    assert_eq!(&*bench.crash().await.code, "limit-memory_bytes");
    assert!(bench.capped("memory_bytes") >= 1);
}

#[tokio::test]
async fn a_crashed_users_memory_is_given_back() {
    let bench = Bench::with("small-grows", 2, |_| {}).await;
    bench.crash().await;
    let before = resident();
    for _ in 0..20 {
        bench.crash().await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 70 << 20, "20 users of 64 MiB left {} MiB behind", grown >> 20);
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn handles_host_calls_and_bytes_per_call_are_bounded() {
    check("handles", "limit-handles", "--limit handles=VALUE").await;
    check("host-calls", "limit-host_calls", "the limit `host_calls` of 100000").await;
    check("post 33554432", "limit-call_bytes", "--limit call_bytes=VALUE").await;
}

#[tokio::test]
async fn each_task_has_host_calls_of_its_own() {
    let bench = Bench::with("random", 2, |limits| limits.host_calls = 1_500).await;
    let mut user = bench.user(0).await;
    for _ in 0..3 {
        assert_eq!(user.run_task(0, Due::now()).await, CallOutcome::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_sleeps_forever_ends_at_the_wall_clock_limit() {
    let mut bench = Bench::new("sleep").await;
    let begun = tokio::time::Instant::now();
    let crash = bench.crash().await;
    assert_eq!(&*crash.code, "limit-task_time");
    assert_eq!(begun.elapsed().as_secs(), 120);
    assert_eq!(bench.capped("task_time"), 1);
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_to_the_rate() {
    for mode in ["log", "stdout", "stderr"] {
        let mut bench = Bench::new(mode).await;
        let begun = Instant::now();
        assert_eq!(bench.attack().await, CallOutcome::Done, "{mode}");
        let windows = begun.elapsed().as_secs() as usize + 2;
        let lines = bench.lines().len();
        assert!(lines >= 20 && lines <= 20 * windows, "{mode}: {lines} lines");
        assert!(bench.capped("log_lines") >= 4_000, "{mode}");
    }
}

#[tokio::test]
async fn a_long_line_is_cut_and_escapes_of_terminals_are_written_out() {
    let mut bench = Bench::new("long-log").await;
    bench.attack().await;
    let lines = bench.lines();
    assert!(lines[0].message.len() <= 4_100 && lines[0].message.ends_with('…'));
    assert_eq!(bench.capped("log_line_bytes"), 1);
    let mut bench = Bench::new("escapes").await;
    bench.attack().await;
    let lines = bench.lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(&*lines[0].message, "\\u{1b}[2J\\u{1b}]0;owned\\u{7} red");
    assert_eq!((&*lines[1].message, &*lines[1].level), ("second", "info"));
    assert_eq!(&*lines[2].level, "stdout");
    assert!(lines.iter().all(|line| !line.message.chars().any(char::is_control)));
}

#[tokio::test]
async fn floods_of_names_end_in_other() {
    type Kind = fn(&SeriesKey) -> bool;
    let cases: [(&str, &str, Kind, usize); 4] = [
        ("metrics", "metrics", |key| matches!(key, SeriesKey::Custom { .. }), 201),
        ("checks", "names", |key| matches!(key, SeriesKey::Check { .. }), 1_001),
        ("names", "names", |key| matches!(key, SeriesKey::Http { .. }), 1_001),
        ("tags", "series", |key| matches!(key, SeriesKey::Custom { .. }), 20_001),
    ];
    for (mode, cap, kind, most) in cases {
        let mut bench = Bench::new(mode).await;
        assert_eq!(bench.attack().await, CallOutcome::Done, "{mode}");
        let series = bench.series(kind);
        assert!(series > most / 2 && series <= most, "{mode}: {series} series");
        assert!(bench.capped(cap) > 0, "{mode}");
    }
}

#[tokio::test]
async fn a_header_cannot_smuggle_another_one() {
    let mut bench = Bench::new("crlf").await;
    let CallOutcome::Failed(why) = bench.attack().await else { panic!("it was sent") };
    assert!(why.contains("Denied"), "{why}");
    assert_eq!(bench.server.requests(), 0);
    assert_eq!(bench.requests(), (1, 1));
}

#[tokio::test]
async fn the_metadata_address_is_out_of_reach() {
    let mut bench = Bench::new("metadata").await;
    let CallOutcome::Failed(why) = bench.attack().await else { panic!("it was sent") };
    assert!(why.contains("Denied"), "{why}");
    assert_eq!(bench.requests(), (1, 1));
}

#[tokio::test]
async fn a_malformed_url_is_told_when_it_is_sent() {
    let mut bench = Bench::new("url").await;
    let CallOutcome::Failed(why) = bench.attack().await else { panic!("it was sent") };
    assert!(why.contains("Denied"), "{why}");
    assert_eq!(bench.requests(), (1, 1));
}

#[tokio::test]
async fn a_batch_beyond_the_cap_is_refused() {
    let mut bench = Bench::new("batch").await;
    let CallOutcome::Failed(why) = bench.attack().await else { panic!("it was sent") };
    assert!(why.contains("batch"), "{why}");
    assert_eq!(bench.server.requests(), 0);
    assert!(bench.capped("batch") >= 1);
}

#[tokio::test]
async fn no_number_is_no_value_of_a_metric() {
    let mut bench = Bench::new("nan").await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
    assert_eq!(bench.capped("metric_value"), 1);
}

#[tokio::test]
async fn a_crash_loop_does_not_read_the_debug_information_again() {
    let bench = Bench::new("trap").await;
    let first = bench.crash().await;
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(bench.crash().await, first);
    }
    let each = begun.elapsed() / 20;
    assert!(each < Duration::from_millis(15), "each crash took {each:?}");
}

#[tokio::test]
async fn a_guest_that_never_gives_memory_for_an_answer_ends_at_the_cpu_limit() {
    check("realloc-loop", "limit-task_cpu", "--limit task_cpu=VALUE").await;
}

#[tokio::test]
async fn a_guest_that_gives_memory_it_does_not_have_is_ended() {
    check("realloc-nowhere", "trap", "beyond end of memory").await;
}

#[tokio::test]
async fn a_guest_that_never_returns_from_cleaning_up_ends_at_the_cpu_limit() {
    check("post-return-loop", "limit-task_cpu", "--limit task_cpu=VALUE").await;
}

#[tokio::test]
async fn panics_at_one_place_with_other_numbers_are_one_error() {
    let bench = Bench::new("panic-numbers").await;
    // Each user draws numbers of its own.
    let mut crashes = Vec::new();
    for number in 0..2 {
        crashes.push(crash(bench.user(number).await.run_task(0, Due::now()).await));
    }
    let [first, second] = &crashes[..] else { panic!("two users") };
    assert_eq!((&first.code, &first.message), (&second.code, &second.message));
    assert!(first.message.contains("the len is # but the index is #"), "{}", first.message);
    assert!(first.message.contains("hostile/src/lib.rs:"), "{}", first.message);
    let example = |crash: &loadhost_engine::load::vu::Crash| {
        crash.detail.lines().next().unwrap_or_default().to_string()
    };
    assert!(example(first).starts_with("for example: index out of bounds: the len is 3 but"));
    assert_ne!(example(first), example(second));
}

#[tokio::test]
async fn batches_of_any_length_are_refused_without_looking_at_them() {
    for mode in ["batch", "batch-templates"] {
        let mut bench = Bench::new(mode).await;
        let CallOutcome::Failed(why) = bench.attack().await else { panic!("it was sent") };
        assert!(why.contains("--limit batch=VALUE"), "{why}");
        assert_eq!(bench.server.requests(), 0);
        assert_eq!((bench.capped("batch"), bench.requests()), (1, (32, 32)), "{mode}");
    }
}

#[tokio::test]
async fn long_names_are_cut_counted_and_shown_harmlessly() {
    let mut bench = Bench::new("big-names").await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
    assert!(bench.capped("name_bytes") >= 5);
    assert_eq!(bench.capped("tags"), 1);
    for key in bench.recorded().series.keys() {
        let text = serde_json::to_string(key).unwrap();
        assert!(text.len() < 6_000, "{} bytes", text.len());
        assert!(!text.contains("\\u001b"), "{text}");
    }
}

#[tokio::test]
async fn one_line_full_of_line_ends_costs_no_more_than_its_share() {
    let mut bench = Bench::new("many-lines").await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
    assert!(bench.lines().len() <= 20);
    assert!(bench.capped("log_lines") >= 1);
}

#[tokio::test]
async fn what_a_template_expects_is_bounded() {
    let bench = Bench::new("expectations").await;
    let CallOutcome::Failed(why) = bench.attack().await else { panic!("all were taken") };
    assert!(why.contains("16 of them at most"), "{why}");
}

#[tokio::test]
async fn what_a_guest_says_of_its_failure_is_cut_and_shown_harmlessly() {
    let bench = Bench::new("escaped-failure").await;
    let CallOutcome::Failed(why) = bench.attack().await else { panic!("it did not fail") };
    assert!(why.len() < 4_096 && !why.chars().any(char::is_control), "{} bytes", why.len());
}

#[tokio::test]
async fn lines_below_the_log_level_are_neither_wanted_nor_passed_on() {
    for (level, expected) in [
        (LogLevel::Trace, &["trace", "debug", "info", "trace", "info"][..]),
        (LogLevel::Debug, &["debug", "info", "info"]),
        (LogLevel::Info, &["info", "info"]),
        (LogLevel::Warn, &[]),
    ] {
        let mut bench = Bench::with("log-levels", 2, |limits| limits.log_level = level).await;
        assert_eq!(bench.attack().await, CallOutcome::Done);
        let lines = bench.lines();
        let levels: Vec<&str> = lines.iter().map(|line| &*line.level).collect();
        assert_eq!(levels, expected, "{level:?}");
    }
}
