//! Scenarios on their way to workers: what keeps a worker from having one is said by the run.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream::{self, object_store::ObjectStore};
use loadhost_tests::{Nats, Outcome, Process, Program, Shop, eventually, scenario};
use serde_json::Value;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);

/// A master that has stored its scenario and waits for a worker.
struct Waiting {
    nats: Nats,
    shop: Shop,
    process: Process,
    home: TempDir,
}

impl Waiting {
    fn start() -> Result<Waiting> {
        let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
        let args = ["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"];
        let (mut process, home) = Program::new(args)?
            .args(["--expect-workers", "1", "--max-wait", "30s", "--max-retries", "0"])
            .args(["--users", "2", "--run-time", "1s", "--json", "out.json"])
            .args(["--host", shop.url(), "--scenario"])
            .args([scenario("http-get")?])
            .spawn()?;
        process.word_after("listening on ", SOON)?;
        process.wait_until(SOON, |said| said.find("waiting for workers"))?;
        Ok(Waiting { nats, shop, process, home })
    }

    /// Where the scenario lies, and its name there.
    async fn store(&self) -> Result<(ObjectStore, String)> {
        let client = async_nats::connect(self.nats.url()).await?;
        let store = jetstream::new(client).get_object_store("lh_mod_default").await?;
        let digest = digest_of(&scenario("http-get")?)?;
        store.info(&digest).await.context("the scenario is not in the store")?;
        Ok((store, digest))
    }

    fn worker(&self) -> Result<(Process, TempDir)> {
        let args = ["worker", "--nats", &self.nats.url(), "--id", "w1", "--cache-dir", "cache"];
        Program::new(args)?.args(["--listen", "127.0.0.1:0"]).spawn()
    }

    /// The run ends as one that nobody worked for, names the worker, the step and why; nothing was sent.
    async fn ends_at(self, step: &str, why: &[&str]) -> Result<()> {
        let outcome = Outcome::of(self.process, self.home, SOON)?.expect_code(117)?;
        let told = format!("{}{}", outcome.stdout, outcome.stderr);
        let results: Value = serde_json::from_str(&outcome.read("out.json")?)?;
        let ended = &results["ended"];
        ensure!(ended["worker"] == "w1" && ended["code"] == step, "{ended:#}");
        for text in why {
            ensure!(told.contains(text), "the terminal does not say `{text}`:\n{told}");
            let message = ended["message"].as_str().unwrap_or_default();
            ensure!(message.contains(text), "the results do not say `{text}`:\n{ended:#}");
        }
        ensure!(told.contains("worker `w1` failed"), "the worker is not named:\n{told}");
        ensure!(self.shop.requests().await? == 0, "something was run");
        Ok(())
    }
}

fn path(file: &Path) -> Result<&str> {
    file.to_str().context("no text")
}

fn digest_of(file: &Path) -> Result<String> {
    let said = Program::new(["check", path(file)?, "--json"])?.run()?.expect_code(0)?.stdout;
    let report: Value = serde_json::from_str(&said)?;
    Ok(report["inspection"]["digest"].as_str().context("no digest")?.to_string())
}

#[tokio::test]
async fn a_scenario_that_is_gone_from_the_store_is_said_to_be() -> Result<()> {
    let waiting = Waiting::start()?;
    let (store, digest) = waiting.store().await?;
    store.delete(&digest).await?;
    let _worker = waiting.worker()?;
    waiting
        .ends_at("download", &[&digest[..12], "is not in the broker's store", "loadhost push"])
        .await
}

#[tokio::test]
async fn a_scenario_that_was_altered_in_the_store_is_not_run_and_said_to_be() -> Result<()> {
    let waiting = Waiting::start()?;
    let (store, digest) = waiting.store().await?;
    let mut another = std::io::Cursor::new(std::fs::read(scenario("checkout")?)?);
    store.put(digest.as_str(), &mut another).await?;
    let _worker = waiting.worker()?;
    waiting.ends_at("digest", &[&digest[..12], "was altered in the store"]).await
}

#[tokio::test]
async fn a_compiler_that_the_system_kills_is_said_to_have_been() -> Result<()> {
    let waiting = Waiting::start()?;
    let (worker, _home) = waiting.worker()?;
    // As the kernel does when memory runs out.
    let kill = async || {
        let children = format!("/proc/{0}/task", worker.pid());
        for thread in std::fs::read_dir(children)? {
            let children = std::fs::read_to_string(thread?.path().join("children"))?;
            for child in children.split_whitespace() {
                let words = std::fs::read(format!("/proc/{child}/cmdline"))?;
                if String::from_utf8_lossy(&words).contains("compile-inside") {
                    let pid = rustix::process::Pid::from_raw(child.parse()?).context("no id")?;
                    return Ok(rustix::process::kill_process(pid, rustix::process::Signal::KILL)?);
                }
            }
        }
        anyhow::bail!("nothing is compiled")
    };
    eventually(SOON, kill).await?;
    waiting.ends_at("compile", &["SIGKILL", "memory"]).await
}

#[tokio::test]
async fn masters_and_workers_go_on_when_their_program_was_replaced() -> Result<()> {
    let (nats, shop, folder) = (Nats::start()?, Shop::start(&[])?, tempfile::tempdir()?);
    let installed = folder.path().join("loadhost");
    std::fs::copy(Program::path()?, &installed)?;
    let fleet = ["--nats", &nats.url(), "--listen", "127.0.0.1:0"];
    let (mut master, _home) = Program::of(&installed, ["master"])?.args(fleet).spawn()?;
    let url = master.word_after("listening on ", SOON)?;
    let worker = Program::of(&installed, ["worker", "--id", "w1", "--cache-dir", "cache"])?;
    let _worker = worker.args(fleet).spawn()?;
    std::fs::remove_file(&installed)?;

    let file = scenario("http-get")?;
    let push = ["push", path(&file)?, "--url", &url];
    eventually(SOON, async || Program::new(push)?.run()?.expect_code(0)).await?;
    let start = ["start", "http-get", "--url", &url, "--host", shop.url(), "--users", "2"];
    Program::new(start)?.args(["--run-time", "1s", "--wait"]).run()?.expect_code(0)?;
    ensure!(shop.requests().await? > 0, "nothing was run");
    Ok(())
}
