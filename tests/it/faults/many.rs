//! Twenty faults in a row, drawn from a seed that is printed: `LOADHOST_FAULT_SEED` draws the same again.

use super::*;
use std::time::{SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use loadhost_tests::{Nats, Proxy};

const FAULTS: usize = 20;
const USERS: u64 = 24;
/// Of a fault: shorter and longer than a lease lasts, and the silence after which a worker is lost.
const HELD_MILLIS: std::ops::Range<u64> = 100..4_500;
/// From the end of a fault to users as wanted: a worker is called lost, its share moves, and shares are levelled at
/// a tenth of the load per second.
const SETTLED: Duration = Duration::from_secs(30);
/// Users are as wanted for so long: whoever was paused or cut off may not have heard yet what it is to do.
const STEADY: Duration = Duration::from_millis(1_200);
/// From a kill to its entry among the losses: there may be no leader either.
const NOTED: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Master(usize),
    Worker(usize),
    Broker,
}

#[derive(Debug, Clone, Copy)]
enum Harm {
    /// kill −9; at the end it is started anew.
    Kill,
    /// SIGSTOP; SIGCONT at the end.
    Pause,
    /// Off from the broker.
    Cut,
    /// SIGTERM; once it has gone and at the end, it is started anew.
    Restart,
}

#[derive(Debug, Clone, Copy)]
struct Fault {
    victim: Victim,
    harm: Harm,
    held: Duration,
}

impl Fault {
    fn draw(rng: &mut Rng) -> Fault {
        let victim = match rng.u32(..100) {
            0..40 => Victim::Master(rng.usize(..2)),
            40..90 => Victim::Worker(rng.usize(..3)),
            _ => Victim::Broker,
        };
        let harms = [Harm::Kill, Harm::Pause, Harm::Cut, Harm::Restart];
        let harm = harms[rng.usize(..harms.len())];
        Fault { victim, harm, held: Duration::from_millis(rng.u64(HELD_MILLIS)) }
    }
}

/// One of the fleet and its way to the broker.
struct Linked {
    member: Member,
    link: Proxy,
}

impl Linked {
    fn begin(&mut self, harm: Harm) -> Result<()> {
        match harm {
            Harm::Kill => self.member.kill(),
            Harm::Pause => self.member.pause(),
            Harm::Cut => {
                self.link.block();
                Ok(())
            }
            Harm::Restart => self.member.ask_to_stop(),
        }
    }

    fn end(&mut self, harm: Harm) -> Result<()> {
        match harm {
            Harm::Kill => self.member.start_anew(),
            Harm::Pause => self.member.resume(),
            Harm::Cut => {
                self.link.unblock();
                Ok(())
            }
            Harm::Restart => {
                let status = self.member.ended()?;
                ensure!(status.success(), "{status}\n{}", self.member.log());
                self.member.start_anew()
            }
        }
    }
}

struct Fleet {
    nats: Nats,
    masters: Vec<Linked>,
    workers: Vec<Linked>,
}

impl Fleet {
    fn start() -> Result<Fleet> {
        let nats = Nats::start()?;
        let linked = |start: &dyn Fn(&str) -> Result<Member>| {
            let link = Proxy::before(&nats.url())?;
            anyhow::Ok(Linked { member: start(&link.url())?, link })
        };
        // They go before the master that submits the run.
        let masters = vec![
            linked(&|url| Member::leading(url, &["--priority", "1"]))?,
            linked(&|url| Member::standing_by(url, &["--priority", "1"]))?,
        ];
        let workers: Result<_> = ["w0", "w1", "w2"]
            .into_iter()
            .map(|id| linked(&|url| Member::worker(url, id)))
            .collect();
        Ok(Fleet { masters, workers: workers?, nats })
    }

    fn begin(&mut self, fault: Fault) -> Result<()> {
        match fault.victim {
            Victim::Master(number) => self.masters[number].begin(fault.harm),
            Victim::Worker(number) => self.workers[number].begin(fault.harm),
            Victim::Broker => self.nats.kill(),
        }
    }

    fn end(&mut self, fault: Fault) -> Result<()> {
        match fault.victim {
            Victim::Master(number) => self.masters[number].end(fault.harm),
            Victim::Worker(number) => self.workers[number].end(fault.harm),
            Victim::Broker => self.nats.restart(),
        }
    }

    /// All workers are there, nothing is missing, and it stays so for a moment.
    async fn is_settled(&self, run: &Run<'_>, master: &Member, steady: Duration) -> Result<()> {
        let until = Instant::now() + steady;
        loop {
            let view = run.seen_by(master).await?;
            let missing = &view["unserved"];
            ensure!(*missing == 0.0, "{missing} of the load is missing");
            ensure!(view["workers"] == 3 && view["workers_lost"] == 0, "not all workers are there");
            run.is_as_wanted(master, Duration::ZERO).await?;
            if Instant::now() >= until {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Each master shows the same term, none older than before, and the users that are wanted.
    async fn settles(&self, run: &Run<'_>, term: &mut u64) -> Result<()> {
        let mut steady = STEADY;
        for master in self.masters.iter().map(|linked| &linked.member) {
            // Who goes on after a pause knows a moment later that others went on meanwhile.
            *term = eventually(SETTLED, async || {
                let shown = master.state().await?["term"].as_u64().context("no term")?;
                ensure!(shown >= *term, "term {shown} after term {term}");
                Ok(shown)
            })
            .await?;
            if let Err(error) = eventually(SETTLED, || self.is_settled(run, master, steady)).await {
                return Err(error.context(self.story(run, master).await?));
            }
            steady = Duration::ZERO;
        }
        Ok(())
    }
}

impl Fleet {
    /// What `master` knows, for whoever looks for the reason.
    async fn story(&self, run: &Run<'_>, master: &Member) -> Result<String> {
        let (state, view) = (master.state().await?, run.seen_by(master).await?);
        Ok(format!(
            "workers: {:#}\nlosses: {:#}\nnotes: {:#}",
            state["workers"], view["losses"], view["notes"]
        ))
    }
}

/// Which worker was killed, and when, since the Unix epoch.
type Kill = (String, Duration);

/// Two faults are there at a time at most, so that somebody is left. Now and then a fault begins before the
/// one before it is over, or before all is as wanted again.
async fn suffer(fleet: &mut Fleet, run: &Run<'_>, rng: &mut Rng) -> Result<Vec<Kill>> {
    let (mut kills, mut term, began) = (Vec::new(), 0, Instant::now());
    let mut open: Option<Fault> = None;
    fleet.settles(run, &mut term).await?;
    for number in 1..=FAULTS {
        let fault = loop {
            let fault = Fault::draw(rng);
            if open.is_none_or(|open| open.victim != fault.victim) {
                break fault;
            }
        };
        eprintln!("{:6.1} s: {number}. {fault:?}", began.elapsed().as_secs_f64());
        if let (Victim::Worker(worker), Harm::Kill) = (fault.victim, fault.harm) {
            kills.push((format!("w{worker}"), SystemTime::now().duration_since(UNIX_EPOCH)?));
        }
        fleet.begin(fault)?;
        tokio::time::sleep(fault.held).await;
        // Who is started anew waits for the broker.
        let goes_on = fault.victim != Victim::Broker && rng.u32(..3) == 0;
        if fault.victim == Victim::Broker {
            fleet.end(fault)?;
        }
        if let Some(former) = open.take() {
            fleet.end(former)?;
        }
        if goes_on && number < FAULTS {
            open = Some(fault);
            continue;
        }
        if fault.victim != Victim::Broker {
            fleet.end(fault)?;
        }
        if rng.u32(..3) > 0 || number == FAULTS {
            let wait = Instant::now();
            fleet.settles(run, &mut term).await.with_context(|| format!("after fault {number}"))?;
            eprintln!("          as wanted after {:?}", wait.elapsed());
        }
    }
    Ok(kills)
}

/// The entry that a kill has made among the losses; None if the worker had nothing to lose.
fn loss_of<'a>((worker, at): &Kill, view: &'a Value) -> Option<&'a Value> {
    let started = Duration::from_micros(view["started"].as_u64()?);
    let is_its = |loss: &&Value| {
        let noted = started + duration(&loss["at"]).unwrap_or_default();
        loss["worker"] == **worker && noted >= *at && noted <= *at + NOTED
    };
    view["losses"].as_array()?.iter().find(is_its)
}

#[tokio::test]
async fn twenty_faults_drawn_at_random_lose_no_more_than_is_said() -> Result<()> {
    let seed = match std::env::var("LOADHOST_FAULT_SEED") {
        Ok(seed) => seed.parse().context("LOADHOST_FAULT_SEED is a number")?,
        Err(_) => fastrand::u64(..1_000_000),
    };
    eprintln!("LOADHOST_FAULT_SEED={seed}");
    survive(Rng::with_seed(seed)).await.with_context(|| format!("LOADHOST_FAULT_SEED={seed}"))
}

async fn survive(mut rng: Rng) -> Result<()> {
    let (mut fleet, shop) = (Fleet::start()?, shop()?);
    let run = Run::submit(&fleet.nats.url(), &shop, 3, USERS, &[])?;
    let kills = suffer(&mut fleet, &run, &mut rng).await?;
    let terms = terms_grow(fleet.masters.iter().map(|linked| &linked.member))?;
    let ended = run.stop(&fleet.masters[0].member).await?;
    let view = ended.last.clone();
    eprintln!("terms {terms:?}, {}, losses {:#}", view["collection"], view["losses"]);
    let killed: Vec<_> = kills.iter().filter_map(|kill| loss_of(kill, &view)).collect();
    ended.within(USERS, &killed)?.outcome.expect_code(0)?;
    Ok(())
}
