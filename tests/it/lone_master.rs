//! A master with a nats-server of its own: what it was given and did outlives it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Member, Outcome, Process, Program, Shop, eventually, scenario};
use serde_json::Value;
use tempfile::TempDir;

/// The leader that was killed keeps its lease for some seconds.
const SOON: Duration = Duration::from_secs(60);

struct Lone {
    process: Process,
    nats: String,
    url: String,
    _folder: TempDir,
}

impl Lone {
    fn start(state: &Path, args: &[&str]) -> Result<Lone> {
        let state = state.to_str().context("no text")?;
        let program = Program::new(["master", "--listen", "127.0.0.1:0"])?.args(args);
        let (mut process, folder) = program.env("XDG_STATE_HOME", state).spawn()?;
        let nats = process.word_after("loadhost worker --nats ", SOON)?;
        let url = process.word_after("listening on ", SOON)?;
        process.word_after("leading (term ", SOON)?;
        Ok(Lone { process, nats, url, _folder: folder })
    }

    fn asked(&self, args: &[&str]) -> Result<Outcome> {
        Program::new(args)?.args(["--url", &self.url]).run()?.expect_code(0)
    }

    /// A run that is over.
    fn kept(&self, run: &str) -> Result<Value> {
        let shown: Value = serde_json::from_str(&self.asked(&["runs", run, "--json"])?.stdout)?;
        ensure!(shown["state"] == "finished", "{shown:#}");
        Ok(shown)
    }
}

#[tokio::test]
async fn what_a_lone_master_was_given_and_did_is_there_again_after_it_was_killed() -> Result<()> {
    let (state, shop) = (tempfile::tempdir()?, Shop::start(&[])?);
    let mut first = Lone::start(state.path(), &[])?;
    let checkout = scenario("checkout")?;
    first.asked(&["push", checkout.to_str().context("no text")?])?;
    let worker = Member::worker(&first.nats, "w1")?;
    let start = ["start", "checkout", "--host", shop.url(), "--users", "2", "--run-time", "1s"];
    let said = first.asked(&start)?.stdout;
    let run =
        said.lines().find_map(|line| line.strip_prefix("run ")).context("no run")?.to_string();
    let kept = eventually(SOON, async || first.kept(&run)).await?;
    ensure!(kept["total"]["requests"].as_u64().is_some_and(|requests| requests > 0), "{kept:#}");
    first.process.kill()?;
    drop(worker);

    let second = Lone::start(state.path(), &[])?;
    let again = eventually(SOON, async || second.kept(&run)).await?;
    ensure!(again["total"] == kept["total"], "other results: {again:#}");
    let _worker = Member::worker(&second.nats, "w1")?;
    let said = second.asked(&start)?.stdout;
    ensure!(said.contains("run "), "the scenario is not known any more: {said}");

    // A third one keeps nothing, and says so; where it was told what to keep, it does not begin.
    let data = state.path().join("loadhost/default");
    let third = Lone::start(state.path(), &[])?;
    let words = third.process.stderr();
    ensure!(words.contains("in use") && words.contains("go with it"), "{words}");
    let data = data.to_str().context("no text")?;
    let refused = Program::new(["master", "--listen", "127.0.0.1:0", "--data-dir", data])?.run()?;
    refused.expect_code(115)?.expect_said(&["is in use", "--data-dir"])?;
    Ok(())
}
