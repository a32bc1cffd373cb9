//! Ctrl-C and SIGTERM in a process's first moments, before it has joined the fleet.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Outcome, Program, scenario};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(60);

/// Ends `loadhost ARGS` by this signal while it waits for a broker that accepts connections and says nothing.
fn ended_while_joining(args: &[&str], signal: Signal, code: i32) -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let nats = format!("nats://{}", silent.local_addr()?);
    let program = Program::new(args)?.args(["--nats", &nats, "--listen", "127.0.0.1:0"]);
    let (mut process, folder) = program.spawn()?;
    process.wait_until_it_catches(signal, SOON)?;
    // It is on its way to the broker, or about to be.
    process.signal(signal)?;
    let outcome = Outcome::of(process, folder, SOON)?.expect_code(code)?;
    outcome.expect_said(&["stopped before it had joined the fleet"]).map(drop)
}

#[test]
fn who_is_stopped_before_it_has_joined_says_so_and_ends_in_good_order() -> Result<()> {
    let scenario = scenario("http-get")?;
    let scenario = scenario.to_str().context("no text")?;
    for (args, code) in [
        (&["worker", "--id", "w1"][..], 0),
        (&["master"], 0),
        (&["master", "--host", "http://127.0.0.1:9", "--scenario", scenario], 105),
    ] {
        for signal in [Signal::TERM, Signal::INT] {
            ended_while_joining(args, signal, code)
                .with_context(|| format!("{args:?}, {signal:?}"))?;
        }
    }
    Ok(())
}

#[test]
fn the_private_broker_of_a_master_that_is_stopped_at_once_goes_with_it() -> Result<()> {
    let (mut process, folder) = Program::new(["master", "--listen", "127.0.0.1:0"])?.spawn()?;
    process.wait_until_it_catches(Signal::TERM, SOON)?;
    process.signal(Signal::TERM)?;
    let outcome = Outcome::of(process, folder, SOON)?.expect_code(0)?;
    ensure!(outcome.stderr.contains("stop"), "it ended without a word: {}", outcome.stderr);
    Ok(())
}
