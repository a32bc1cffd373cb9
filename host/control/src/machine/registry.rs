//! Who is there: the last word of each worker, and how long ago it was.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use loadhost_model::id::{Incarnation, WorkerId};
use loadhost_model::wire::WorkerStatus;
use serde::{Deserialize, Serialize};

use crate::config::CoordinatorConfig;
use crate::view::Liveness;

/// Former processes remembered per worker, so that a late word of one is not taken for news.
const RETIRED: usize = 8;
/// Lost workers are forgotten after this long.
const FORGET: Duration = Duration::from_secs(600);
/// A former process that speaks this long after it was replaced is still running.
const CLASH: Duration = Duration::from_secs(3);

/// One worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Worker {
    /// Its last word.
    pub(crate) status: WorkerStatus,
    pub(crate) heard: Duration,
    pub(crate) liveness: Liveness,
    /// Two processes use this name.
    pub(crate) name_clash: bool,
    since: Duration,
    retired: VecDeque<Incarnation>,
    /// An operator wants it to do nothing, in this process or a later one of its name.
    #[serde(default)]
    drained: bool,
}

/// What a status was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// What is known already; the worker lives.
    Same,
    /// A new worker, or a new state of one.
    News,
    /// The first word of a new process under a known name.
    Restarted,
    /// Of a former process; nothing was learnt.
    Former,
    /// Too many workers.
    Full,
}

/// Workers by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    workers: BTreeMap<WorkerId, Worker>,
    /// Nobody at all has been heard for a while.
    #[serde(default)]
    is_deaf: bool,
}

impl Registry {
    pub(crate) fn get(&self, worker: &WorkerId) -> Option<&Worker> {
        self.workers.get(worker)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&WorkerId, &Worker)> {
        self.workers.iter()
    }

    /// Takes in a status. Of one process the newest counts, as told by what it has applied.
    pub(crate) fn hear(
        &mut self,
        now: Duration,
        status: WorkerStatus,
        max_workers: usize,
    ) -> Heard {
        let count = self.workers.len();
        match self.workers.get_mut(&status.worker) {
            Some(worker) => worker.hear(now, status),
            None if count >= max_workers => Heard::Full,
            None => {
                let worker = Worker {
                    drained: false,
                    heard: now,
                    since: now,
                    liveness: Liveness::Alive,
                    name_clash: false,
                    retired: VecDeque::new(),
                    status,
                };
                self.workers.insert(worker.status.worker.clone(), worker);
                Heard::News
            }
        }
    }

    /// Takes a worker out of service, or lets it work again. None: nobody knows it.
    pub(crate) fn drain(&mut self, worker: &WorkerId, drained: bool) -> Option<()> {
        self.workers.get_mut(worker)?.drained = drained;
        Some(())
    }

    /// Nobody listened for a while, so silence until now says nothing. Who was lost already stays so.
    pub(crate) fn listen_anew(&mut self, now: Duration) {
        for worker in self.workers.values_mut().filter(|worker| worker.liveness != Liveness::Lost) {
            worker.heard = now;
        }
    }

    /// An interval of a process came in, so it lives. Who is lost must say itself that it is back.
    pub(crate) fn lives(&mut self, now: Duration, worker: &WorkerId, incarnation: Incarnation) {
        if let Some(worker) = self.workers.get_mut(worker)
            && worker.status.incarnation == incarnation
            && worker.liveness != Liveness::Lost
        {
            worker.heard = now;
        }
    }

    /// Judges silence. True if somebody's liveness changed.
    pub(crate) fn sweep(&mut self, now: Duration, config: &CoordinatorConfig) -> bool {
        let before = self.workers.len();
        self.workers.retain(|_, worker| now.saturating_sub(worker.heard) < FORGET);
        let mut changed = self.workers.len() != before;
        // Half of the patience with one worker is more than a heartbeat.
        let newest = self.workers.values().map(|worker| worker.heard).max();
        let was_deaf = self.is_deaf;
        self.is_deaf = newest.is_some_and(|newest| now.saturating_sub(newest) >= config.lost / 2);
        if was_deaf && !self.is_deaf {
            self.listen_anew(now);
        }
        let lost = if self.is_deaf { config.all_lost.max(config.lost) } else { config.lost };
        for worker in self.workers.values_mut() {
            let liveness = match now.saturating_sub(worker.heard) {
                silent if silent >= lost => Liveness::Lost,
                silent if silent >= config.lost && worker.liveness == Liveness::Lost => {
                    Liveness::Lost
                }
                silent if silent >= config.suspect => Liveness::Suspect,
                _ => Liveness::Alive,
            };
            changed |= worker.liveness != liveness;
            worker.liveness = liveness;
        }
        changed
    }
}

impl Worker {
    /// It takes no new work: it goes away, or somebody took it out of service.
    pub(crate) fn is_draining(&self) -> bool {
        self.drained || self.status.draining
    }

    fn hear(&mut self, now: Duration, status: WorkerStatus) -> Heard {
        if self.retired.contains(&status.incarnation) {
            self.name_clash |= now.saturating_sub(self.since) > CLASH;
            return Heard::Former;
        }
        let was_alive = self.liveness == Liveness::Alive;
        self.heard = now;
        self.liveness = Liveness::Alive;
        if status.incarnation != self.status.incarnation {
            self.retired.push_back(self.status.incarnation);
            if self.retired.len() > RETIRED {
                self.retired.pop_front();
            }
            self.since = now;
            self.status = status;
            return Heard::Restarted;
        }
        let mut same = was_alive;
        // Statuses travel without order; an older one still shows that the worker lives.
        if status.applied >= self.status.applied {
            let said = |status: &WorkerStatus| (status.applied, status.capacity, status.draining);
            same &= said(&self.status) == said(&status)
                && self.status.state == status.state
                && self.status.run == status.run;
            self.status = status;
        }
        if same { Heard::Same } else { Heard::News }
    }
}
