//! One process: what a run says equals what the target counted.

use std::time::Duration;

use anyhow::Result;
use loadhost_tests::{Outcome, Program, Shop, scenario};
use rustix::process::Signal;

/// `loadhost run` of scenario `name` against `shop`, with its summary in `out.json`.
pub(crate) fn run(shop: &Shop, name: &str) -> Result<Program> {
    Ok(Program::new(["run", "--json", "out.json", "--host", shop.url(), "--scenario"])?
        .args([scenario(name)?]))
}

/// That `outcome` reports as many requests as `shop` served.
pub(crate) async fn same_count(outcome: &Outcome, shop: &Shop) -> Result<u64> {
    let reported = outcome.json("out.json")?["requests"].as_u64();
    let served = shop.requests().await?;
    assert_eq!(reported, Some(served), "{}", outcome.stdout);
    assert!(served > 0, "nothing was sent:\n{}\n{}", outcome.stdout, outcome.stderr);
    Ok(served)
}

#[tokio::test]
async fn a_closed_run_reports_what_the_target_served() -> Result<()> {
    let shop = Shop::start(&["--delay", "1ms"])?;
    let run = run(&shop, "checkout")?.args([
        "--users",
        "20",
        "--run-time",
        "3s",
        "--param",
        "pause=50ms",
    ]);
    let outcome = run.run()?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    let stats = shop.stats().await?;
    for path in ["POST /login", "GET /items", "GET /item/{id}", "POST /cart", "POST /checkout"] {
        let served = stats["paths"][path]["count"].as_u64().unwrap_or(0);
        assert!(served > 0, "{path} was never asked for: {stats}");
        assert!(outcome.stdout.contains(path.split(' ').nth(1).unwrap()), "{}", outcome.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn an_open_run_starts_iterations_by_the_clock() -> Result<()> {
    let shop = Shop::start(&[])?;
    let run =
        run(&shop, "http-get")?.args(["--rate", "200/s", "--max-users", "50", "--run-time", "3s"]);
    let outcome = run.run()?.expect_code(0)?;
    let served = same_count(&outcome, &shop).await?;
    assert!((590..=601).contains(&served), "{served} arrivals instead of 600");
    Ok(())
}

#[tokio::test]
async fn shared_iterations_run_exactly_as_many_as_asked() -> Result<()> {
    let shop = Shop::start(&[])?;
    let run = run(&shop, "http-get")?.args(["--users", "7", "--iterations", "1000"]);
    let outcome = run.run()?.expect_code(0)?;
    assert_eq!(same_count(&outcome, &shop).await?, 1000);
    Ok(())
}

#[tokio::test]
async fn a_stall_of_the_target_shows_in_response_time_not_in_service_time() -> Result<()> {
    let shop = Shop::start(&["--stall-every", "3s", "--stall-for", "1s"])?;
    let run =
        run(&shop, "http-get")?.args(["--rate", "100/s", "--max-users", "5", "--run-time", "6s"]);
    let outcome = run.run()?.expect_code(0)?;
    let json = outcome.json("out.json")?;
    let p95 = |time: &str| json["series"][0][time]["p95"].as_f64().unwrap_or(f64::NAN);
    let (response, service) = (p95("response_time"), p95("service_time"));
    assert!(response > 300.0, "a stall of 1 s in 3 hides: p95 is {response} ms");
    assert!(service < response / 2.0, "service p95 {service} ms, response p95 {response} ms");
    Ok(())
}

#[tokio::test]
async fn the_examples_run_with_the_load_that_they_propose() -> Result<()> {
    // What `setup` and `teardown` ask for is no load, and not counted.
    for (name, asked_by_setup) in [("open-model", 0), ("load-shape", 0), ("thresholds", 1)] {
        let shop = Shop::start(&[])?;
        let outcome = run(&shop, name)?.args(["--run-time", "4s"]).run()?.expect_code(0)?;
        let reported = outcome.json("out.json")?["requests"].as_u64();
        assert_eq!(reported, Some(shop.requests().await? - asked_by_setup), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_broken_threshold_ends_with_99_and_names_the_value() -> Result<()> {
    let shop = Shop::start(&["--delay", "30ms"])?;
    let run = run(&shop, "http-get")?
        .args(["--users", "2", "--run-time", "2s", "--junit", "junit.xml"])
        .args([
            "--threshold",
            "http_req_duration p(95) < 10ms",
            "--threshold",
            "http_reqs count > 1",
        ]);
    let outcome = run.run()?.expect_code(99)?;
    assert!(outcome.stdout.contains("p(95) < 10ms"), "{}", outcome.stdout);
    assert!(outcome.read("junit.xml")?.contains("<failure"));
    Ok(())
}

#[tokio::test]
async fn locusts_csv_files_have_locusts_headers() -> Result<()> {
    let shop = Shop::start(&[])?;
    let run = run(&shop, "checkout")?.args([
        "--users",
        "3",
        "--run-time",
        "2s",
        "--csv",
        "out",
        "--param",
        "pause=10ms",
    ]);
    let outcome = run.run()?.expect_code(0)?;
    let headers = [
        (
            "out_stats.csv",
            "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%",
        ),
        (
            "out_stats_history.csv",
            "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%,Total Request Count,Total Failure Count,Total Median Response Time,Total Average Response Time,Total Min Response Time,Total Max Response Time,Total Average Content Size",
        ),
        ("out_failures.csv", "Method,Name,Error,Occurrences,First Seen,Last Seen"),
        ("out_exceptions.csv", "Count,Message,Traceback,Nodes"),
    ];
    for (file, header) in headers {
        let text = outcome.read(file)?;
        assert_eq!(text.split("\r\n").next(), Some(header), "{file}");
    }
    let stats = outcome.read("out_stats.csv")?;
    let last = stats.trim_end().lines().last().unwrap_or_default();
    let fields: Vec<_> = last.split(',').collect();
    assert_eq!(fields[..2], ["", "Aggregated"]);
    assert_eq!(fields[2].parse::<u64>()?, shop.requests().await?);
    Ok(())
}

#[tokio::test]
async fn one_interrupt_drains_and_reports() -> Result<()> {
    let shop = Shop::start(&[])?;
    let program = run(&shop, "checkout")?.args([
        "--users",
        "5",
        "--run-time",
        "60s",
        "--param",
        "pause=20ms",
    ]);
    let (process, folder) = program.spawn()?;
    loadhost_tests::eventually(Duration::from_secs(20), async || {
        anyhow::ensure!(shop.requests().await? > 50);
        Ok(())
    })
    .await?;
    process.signal(Signal::INT)?;
    let outcome = Outcome::of(process, folder, Duration::from_secs(20))?.expect_code(105)?;
    same_count(&outcome, &shop).await?;
    Ok(())
}

#[tokio::test]
async fn a_second_interrupt_stops_at_once_and_still_reports() -> Result<()> {
    let shop = Shop::start(&["--delay", "20s"])?;
    let program = run(&shop, "http-get")?.args([
        "--users",
        "5",
        "--run-time",
        "60s",
        "--graceful-stop",
        "60s",
    ]);
    let (mut process, folder) = program.spawn()?;
    loadhost_tests::eventually(Duration::from_secs(20), async || {
        anyhow::ensure!(shop.stats().await?["connections"]["total"].as_u64() > Some(5));
        Ok(())
    })
    .await?;
    process.signal(Signal::INT)?;
    process.wait_until(Duration::from_secs(5), |said| said.find("nterrupt"))?;
    process.signal(Signal::INT)?;
    let outcome = Outcome::of(process, folder, Duration::from_secs(5))?.expect_code(105)?;
    outcome.json("out.json")?;
    Ok(())
}
