//! A master or worker of a fleet, which tests pause, end and start anew.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Island, Process, Program};

/// For a process to begin, to end, or to say what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// For an answer; who is stopped gives none.
const ANSWER: Duration = Duration::from_secs(2);

/// One of a fleet.
pub struct Member {
    args: Vec<String>,
    /// Words in front of the program.
    prefix: Vec<String>,
    process: Process,
    url: String,
    client: reqwest::Client,
    /// What its former processes said.
    said: String,
    folder: TempDir,
}

impl Member {
    /// A worker of this name.
    pub fn worker(nats: &str, id: &str) -> Result<Member> {
        Self::start(&["worker", "--nats", nats, "--id", id], Vec::new())
    }

    /// A worker of this name on an island; nobody can ask it anything.
    pub fn worker_on(island: &Island, nats: &str, id: &str) -> Result<Member> {
        Self::start(&["worker", "--nats", nats, "--id", id], island.prefix())
    }

    /// A master that stays.
    pub fn master(nats: &str, args: &[&str]) -> Result<Member> {
        Self::start(&[&["master", "--nats", nats], args].concat(), Vec::new())
    }

    /// The only master so far, once it leads.
    pub fn leading(nats: &str, args: &[&str]) -> Result<Member> {
        let mut master = Self::master(nats, args)?;
        master.says("leading (term ")?;
        Ok(master)
    }

    /// Another master, once it knows who leads.
    pub fn standing_by(nats: &str, args: &[&str]) -> Result<Member> {
        let mut master = Self::master(nats, args)?;
        master.says("standing by: ")?;
        Ok(master)
    }

    fn start(args: &[&str], prefix: Vec<String>) -> Result<Member> {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        let (process, url, folder) = spawn(&args, &prefix)?;
        // Without a provider installed, building the client would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?;
        Ok(Member { args, prefix, process, url, client, said: String::new(), folder })
    }

    /// Where it is asked.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until this process has said `text`.
    pub fn says(&mut self, text: &str) -> Result<()> {
        self.process.word_after(text, PATIENCE).map(drop)
    }

    /// What all its processes have said.
    pub fn log(&self) -> String {
        format!("{}{}", self.said, self.process.stderr())
    }

    /// The terms in which its processes have led, in their order.
    pub fn terms(&self) -> Result<Vec<u64>> {
        let log = self.log();
        let terms = log.split("leading (term ").skip(1).filter_map(|rest| rest.split(')').next());
        terms.map(|term| term.parse().with_context(|| format!("term `{term}`"))).collect()
    }

    /// Ends it without asking.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Stops it until [`Member::resume`].
    pub fn pause(&self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Asks it to end. It listens to signals before it says where it serves.
    pub fn ask_to_stop(&self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        self.process.wait(PATIENCE)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.ask_to_stop()?;
        self.ended()
    }

    /// Starts it again after its end, as it was started first.
    pub fn start_anew(&mut self) -> Result<()> {
        let (process, url, folder) = spawn(&self.args, &self.prefix)?;
        self.said = self.log();
        (self.process, self.url, self.folder) = (process, url, folder);
        Ok(())
    }

    /// What it answers to `GET /PATH`.
    pub async fn get(&self, path: &str) -> Result<reqwest::Response> {
        Ok(self.client.get(format!("{}/{path}", self.url)).send().await?)
    }

    /// What it answers to a command of the API, such as `runs/current/stop`.
    pub async fn post(&self, what: &str, body: Value) -> Result<reqwest::Response> {
        let patient = self.client.post(format!("{}/api/v1/{what}", self.url)).timeout(PATIENCE);
        Ok(patient.json(&body).send().await?)
    }

    /// Whether it takes work, by itself or through the leader.
    pub async fn is_ready(&self) -> bool {
        self.get("ready").await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Fleet and runs as this master knows them.
    pub async fn state(&self) -> Result<Value> {
        Ok(self.get("api/v1/state").await?.error_for_status()?.json().await?)
    }

    /// The only run.
    pub async fn run(&self) -> Result<Value> {
        let state = self.state().await?;
        let runs = state["runs"].as_array().context("no runs")?;
        ensure!(runs.len() == 1, "{} runs in {state}", runs.len());
        Ok(runs[0].clone())
    }

    /// The run that loads `target`.
    pub async fn run_against(&self, target: &str) -> Result<Value> {
        let state = self.state().await?;
        let mut runs = state["runs"].as_array().context("no runs")?.iter();
        let run =
            runs.find(|run| run["target"].as_str().is_some_and(|url| url.starts_with(target)));
        run.cloned().with_context(|| format!("no run against {target}"))
    }
}

fn spawn(args: &[String], prefix: &[String]) -> Result<(Process, String, TempDir)> {
    let program = Program::new(args)?.args(["--listen", "127.0.0.1:0"]);
    let (mut process, folder) = program.behind(prefix).spawn()?;
    let url = process.word_after("listening on ", PATIENCE)?;
    Ok((process, url, folder))
}

/// With `LOADHOST_FAULT_LOGS=FOLDER` what each member said is kept there, a file each.
impl Drop for Member {
    fn drop(&mut self) {
        let Some(folder) = std::env::var_os("LOADHOST_FAULT_LOGS") else { return };
        let name = format!("{}-{}.log", self.args[0], self.process.pid());
        let _ = std::fs::write(std::path::Path::new(&folder).join(name), self.log());
    }
}
