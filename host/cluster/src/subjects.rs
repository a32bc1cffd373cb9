//! Every subject, stream and bucket name, in one place.
//!
//! | item | name |
//! |---|---|
//! | control documents | stream `KV_lh_<c>`, keys `leader`, `probe`, `assign.<w>`; republished as `lh.<c>.<key>` |
//! | intervals | stream `LH_STATS_<c>`, subjects `lh.<c>.stats.<r>.<w>` |
//! | heartbeats, logs, clock | `lh.<c>.hb.<w>`, `lh.<c>.log.<w>`, `lh.<c>.clock` |
//! | masters among themselves | presence `lh.<c>.master.<incarnation>` and `lh.<c>.who`, out of service and back `lh.<c>.service.<incarnation>`, questions `lh.<c>.ctl`, views `lh.<c>.view` |
//! | state | stream `LH_STATE_<c>`, subjects `lh.<c>.state.<key>` (see [`crate::state`]) |
//! | modules and files of data sets | object bucket `lh_mod_<c>`, object name = SHA-256 |
//! | results of runs | object bucket `lh_res_<c>`, object name = SHA-256; workers may not read it |
//! | documents of what people gave and of runs | stream `KV_lh-shelf_<c>`, subjects `$KV.lh-shelf_<c>.<key>`; workers may not read it |
//!
//! All parts are [`ClusterId`], [`RunId`] or [`WorkerId`], which can hold no separator and
//! no wildcard.

use loadhost_model::id::{ClusterId, Incarnation, RunId, WorkerId};

/// The names of one cluster.
#[derive(Debug, Clone)]
pub struct Names {
    cluster: ClusterId,
}

/// Key of the leadership's document.
pub(crate) const LEADER_KEY: &str = "leader";
/// Written to know whether writing is possible.
pub(crate) const PROBE_KEY: &str = "probe";

impl Names {
    /// Of this cluster.
    pub fn new(cluster: ClusterId) -> Self {
        Self { cluster }
    }

    /// Stream behind the bucket of control documents.
    pub fn control_stream(&self) -> String {
        format!("KV_lh_{}", self.cluster)
    }

    /// Where the document of `key` is written.
    pub fn document(&self, key: &str) -> String {
        format!("$KV.lh_{}.{key}", self.cluster)
    }

    /// Where documents are written, and where the stream publishes them again.
    pub(crate) fn republish(&self) -> (String, String) {
        (self.document(">"), format!("lh.{}.>", self.cluster))
    }

    /// Key of a worker's assignment.
    pub fn assignment_key(&self, worker: &WorkerId) -> String {
        format!("assign.{worker}")
    }

    /// Where workers hear their assignment.
    pub fn assignment(&self, worker: &WorkerId) -> String {
        format!("lh.{}.assign.{worker}", self.cluster)
    }

    /// Where workers hear that the leader lives.
    pub fn leader(&self) -> String {
        format!("lh.{}.{LEADER_KEY}", self.cluster)
    }

    /// Stream of intervals.
    pub fn stats_stream(&self) -> String {
        format!("LH_STATS_{}", self.cluster)
    }

    /// Intervals of one worker in one run.
    pub fn stats(&self, run: &RunId, worker: &WorkerId) -> String {
        format!("lh.{}.stats.{run}.{worker}", self.cluster)
    }

    /// Intervals of all.
    pub fn all_stats(&self) -> String {
        format!("lh.{}.stats.>", self.cluster)
    }

    /// Stream of what the next leader must know.
    pub fn state_stream(&self) -> String {
        format!("LH_STATE_{}", self.cluster)
    }

    /// One document of it.
    pub fn state(&self, key: &str) -> String {
        format!("lh.{}.state.{key}", self.cluster)
    }

    /// A worker's statuses.
    pub fn heartbeat(&self, worker: &WorkerId) -> String {
        format!("lh.{}.hb.{worker}", self.cluster)
    }

    /// Statuses of all.
    pub fn all_heartbeats(&self) -> String {
        format!("lh.{}.hb.*", self.cluster)
    }

    /// Log lines from a worker.
    pub fn log(&self, worker: &WorkerId) -> String {
        format!("lh.{}.log.{worker}", self.cluster)
    }

    /// Log lines of all.
    pub fn all_logs(&self) -> String {
        format!("lh.{}.log.*", self.cluster)
    }

    /// Where the leader says what time it is.
    pub fn clock(&self) -> String {
        format!("lh.{}.clock", self.cluster)
    }

    /// Prefix of the subjects that answers to a worker come to, apart from all others' so that an
    /// access list can keep them apart.
    pub fn inbox(worker: &WorkerId) -> String {
        format!("_INBOX.w.{worker}")
    }

    /// Where a master says that it is there.
    pub fn master(&self, incarnation: Incarnation) -> String {
        format!("lh.{}.master.{}", self.cluster, incarnation.0)
    }

    /// Where a master is told to leave service, or to come back.
    pub fn service(&self, incarnation: Incarnation) -> String {
        format!("lh.{}.service.{}", self.cluster, incarnation.0)
    }

    /// Presence of all masters.
    pub fn all_masters(&self) -> String {
        format!("lh.{}.master.*", self.cluster)
    }

    /// Where all masters are asked who they are.
    pub fn who(&self) -> String {
        format!("lh.{}.who", self.cluster)
    }

    /// What the leader is asked.
    pub fn control(&self) -> String {
        format!("lh.{}.ctl", self.cluster)
    }

    /// What the leader shows to masters that stand by.
    pub fn view(&self) -> String {
        format!("lh.{}.view", self.cluster)
    }

    /// Object bucket of modules.
    pub fn modules(&self) -> String {
        format!("lh_mod_{}", self.cluster)
    }

    /// Stream behind that bucket.
    pub fn modules_stream(&self) -> String {
        format!("OBJ_{}", self.modules())
    }

    /// Object bucket of results.
    pub fn results(&self) -> String {
        format!("lh_res_{}", self.cluster)
    }

    /// Stream behind that bucket.
    pub fn results_stream(&self) -> String {
        format!("OBJ_{}", self.results())
    }

    /// All streams, those of buckets included.
    pub(crate) fn streams(&self) -> [String; 6] {
        [
            self.control_stream(),
            self.stats_stream(),
            self.state_stream(),
            self.modules_stream(),
            self.results_stream(),
            self.shelf_stream(),
        ]
    }

    /// Stream of the shelf's documents. A dash, as no cluster's control documents can have it there.
    pub fn shelf_stream(&self) -> String {
        format!("KV_lh-shelf_{}", self.cluster)
    }

    /// One document of it.
    pub fn shelf(&self, key: &str) -> String {
        format!("$KV.lh-shelf_{}.{key}", self.cluster)
    }
}

/// The worker that a subject speaks of: its last token.
pub(crate) fn worker_of(subject: &str) -> Option<&str> {
    subject.rsplit('.').next()
}
