//! What fails in a fleet, with real processes: whoever is killed, stopped, cut off or started anew, the
//! target's own count is the truth that the run's results are compared with.

mod cut;
mod departures;
mod lost;
mod many;
mod restarts;
mod several;
mod standstill;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Member, Outcome, Process, Program, Shop, eventually, scenario};
use serde_json::{Value, json};

/// For whatever has no bound of its own, on a machine that does other work as well.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two requests of a user: `--param pause` and the shop's `--delay`.
const PAUSE: Duration = Duration::from_millis(51);

/// A run that goes on until it is stopped, with the process that submitted it.
struct Run<'a> {
    shop: &'a Shop,
    /// Where the workers find it.
    host: String,
    users: u64,
    process: Process,
    folder: tempfile::TempDir,
}

fn shop() -> Result<Shop> {
    Shop::start(&["--delay", "1ms"])
}

impl<'a> Run<'a> {
    /// So many users against `shop`, once there are `workers`.
    fn submit(
        nats: &str,
        shop: &'a Shop,
        workers: u64,
        users: u64,
        args: &[&str],
    ) -> Result<Run<'a>> {
        Self::submit_to(nats, (shop, shop.url()), workers, users, args)
    }

    /// The same, and the workers find the shop at `host`.
    fn submit_to(
        nats: &str,
        (shop, host): (&'a Shop, &str),
        workers: u64,
        users: u64,
        args: &[&str],
    ) -> Result<Run<'a>> {
        let (workers, wanted) = (workers.to_string(), users.to_string());
        let program = Program::new(["master", "--nats", nats, "--listen", "127.0.0.1:0"])?
            .args(["--expect-workers", &workers, "--users", &wanted, "--param", "pause=50ms"])
            .args(["--json", "out.json", "--host", host])
            .args(args)
            .args(["--scenario".as_ref(), scenario("checkout")?.as_os_str()]);
        let (process, folder) = program.spawn()?;
        Ok(Run { shop, host: host.to_string(), users, process, folder })
    }

    /// As `master` sees it.
    async fn seen_by(&self, master: &Member) -> Result<Value> {
        master.run_against(&self.host).await
    }

    /// The users are those that are wanted, as `master` sees it and at the target. How long that took.
    async fn is_as_wanted(&self, master: &Member, within: Duration) -> Result<Duration> {
        let began = Instant::now();
        let look = async || {
            let users = self.seen_by(master).await?["users"].as_u64();
            ensure!(users == Some(self.users), "{users:?} users instead of {}", self.users);
            let open = users_at(self.shop).await?;
            ensure!(open == self.users, "{open} users at the target instead of {}", self.users);
            Ok(())
        };
        eventually(within, look).await?;
        Ok(began.elapsed())
    }

    /// Stops it through `master` and waits for the end of the process that submitted it.
    async fn stop(self, master: &Member) -> Result<Ended> {
        let run = self.seen_by(master).await?["run"].clone();
        let run = run.as_str().context("no run")?;
        let answer = master.post(&format!("runs/{run}/stop"), json!({})).await?;
        ensure!(answer.status() == 200, "{}: {}", answer.status(), answer.text().await?);
        self.end(master).await
    }

    /// Waits for the end of the process that submitted it.
    async fn end(self, master: &Member) -> Result<Ended> {
        let outcome = Outcome::of(self.process, self.folder, PATIENCE)?;
        let last = eventually(PATIENCE, async || {
            let run = master.run_against(&self.host).await?;
            ensure!(run["state"] == "finished", "{}", run["state"]);
            Ok(run)
        })
        .await?;
        let counted = outcome.json("out.json")?["requests"].as_u64().context("no count")?;
        ensure!(last["total"]["requests"] == counted, "{counted} are not {}", last["total"]);
        let served = self.shop.requests().await?;
        ensure!(served > 0, "nothing was sent");
        ensure!(counted <= served, "{counted} counted, {served} served: something counts twice");
        Ok(Ended { counted, served, last, outcome })
    }
}

/// How a run went.
struct Ended {
    counted: u64,
    served: u64,
    /// Its last view.
    last: Value,
    outcome: Outcome,
}

impl Ended {
    /// Nobody was killed, so nothing is missing.
    fn exact(self) -> Result<Ended> {
        ensure!(self.last["collection"]["missing"] == 0, "{}", self.last["collection"]);
        ensure!(self.counted == self.served, "{} counted, {} served", self.counted, self.served);
        Ok(self)
    }

    /// What is missing is no more than what `losses` say.
    fn within(self, users: u64, losses: &[&Value]) -> Result<Ended> {
        let bound: f64 = losses.iter().map(|loss| bound(loss, users)).sum();
        let missing = self.served - self.counted;
        eprintln!("{missing} of {} requests are missing, {bound:.0} at most", self.served);
        ensure!(missing as f64 <= bound, "{missing} requests are missing, more than {bound:.0}");
        Ok(self)
    }
}

/// How many requests were lost with a worker at most: what its users can make in the time that was not
/// measured, and one each that was under way.
fn bound(loss: &Value, users: u64) -> f64 {
    let users = (users as f64 * loss["share"].as_f64().unwrap_or(0.0)).ceil();
    let unmeasured = duration(&loss["unmeasured"]).unwrap_or_default();
    users * (unmeasured.as_secs_f64() / PAUSE.as_secs_f64() + 1.0)
}

/// As the API writes it.
fn duration(value: &Value) -> Option<Duration> {
    let nanos = u32::try_from(value["nanos"].as_u64()?).ok()?;
    Some(Duration::new(value["secs"].as_u64()?, nanos))
}

/// Connections that users hold open; the one that asks is not counted.
async fn users_at(shop: &Shop) -> Result<u64> {
    let open = shop.stats().await?["connections"]["open"].as_u64().context("no count")?;
    open.checked_sub(1).context("who asks is not there")
}

/// Waits until this worker says that it has so many users.
async fn has_users(worker: &str, count: u64, master: &Member) -> Result<()> {
    eventually(PATIENCE, async || {
        let state = master.state().await?;
        let mut workers = state["workers"].as_array().context("no workers")?.iter();
        let found = workers.find(|known| known["worker"] == worker);
        let found = found.with_context(|| format!("no {worker}"))?;
        ensure!(found["liveness"] == "alive" && found["users"] == count, "{found}");
        Ok(())
    })
    .await
}

/// Waits until the first loss of the run that loads `target` is this worker's and has the time of this: `served`, when
/// others had its share, or `returned`. How long that took.
async fn loss_has(time: &str, worker: &str, (master, target): (&Member, &str)) -> Result<Duration> {
    until(async || {
        let loss = master.run_against(target).await?["losses"][0].clone();
        ensure!(loss["worker"] == worker && !loss[time].is_null(), "{loss}");
        Ok(())
    })
    .await
}

/// Waits until `probe` holds; how long that took.
async fn until(probe: impl AsyncFn() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    eventually(PATIENCE, async || probe().await).await?;
    Ok(began.elapsed())
}

/// No term had two leaders, and each process led in growing ones.
fn terms_grow<'a>(masters: impl IntoIterator<Item = &'a Member>) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for master in masters {
        let terms = master.terms()?;
        ensure!(terms.is_sorted_by(|a, b| a < b), "a master led in {terms:?}");
        all.extend(terms);
    }
    all.sort_unstable();
    ensure!(all.is_sorted_by(|a, b| a < b), "a term had two leaders: {all:?}");
    Ok(all)
}
