//! Traces: what happened in one iteration, for a sample of them.
//!
//! Which iterations of a user are sampled follows from its seed and their number alone: the number of the
//! next one is drawn ahead, so that all others cost one comparison. Trace ids are random, since a user that is made
//! anew counts its iterations anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Told, Who};
use crate::http::{Exchange, Marks, Timings};
use crate::load::vu::{CallOutcome, Due};

/// Traces that may wait to be taken before more of them are dropped.
pub const TRACE_QUEUE: usize = 1_024;
/// Requests of one trace; those beyond are counted in [`IterationTrace::omitted`].
pub const SPANS_PER_TRACE: usize = 256;

/// So that sampling and the guest's own random numbers, which have the same seed, differ.
const SALT: u64 = 0x7261_6365_7365_6564;

/// Where traces go, and how many there are. Clones are the same.
#[derive(Debug, Clone)]
pub struct Traces {
    share: f64,
    propagate: bool,
    to: mpsc::Sender<IterationTrace>,
    dropped: Arc<AtomicU64>,
}

impl Traces {
    /// Traces of this share of the iterations, above 0 and up to 1; None: of none. `propagate`: the target is told
    /// of them, in a header `traceparent`.
    pub fn new(share: f64, propagate: bool) -> Option<(Self, mpsc::Receiver<IterationTrace>)> {
        let (to, traces) = mpsc::channel(TRACE_QUEUE);
        let ours = Self { share: share.min(1.0), propagate, to, dropped: Arc::default() };
        (share > 0.0).then_some((ours, traces))
    }

    /// How many traces found no room, so far: `trace_queue`, as which the run counts them too.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether there was room.
    pub(super) fn put(&self, trace: IterationTrace) -> bool {
        let there_is = self.to.try_send(trace).is_ok();
        if !there_is {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        there_is
    }
}

/// One iteration of one user.
#[derive(Debug, Clone)]
pub struct IterationTrace {
    /// Not 0.
    pub trace_id: u128,
    /// Of the iteration; not 0.
    pub span_id: u64,
    /// Of the call into the guest, whose parent is the iteration; not 0.
    pub task_span_id: u64,
    /// Of this run.
    pub run: Arc<str>,
    /// On this worker.
    pub worker: Arc<str>,
    /// Which user.
    pub vu: u64,
    /// Its type.
    pub user_type: Arc<str>,
    /// What it did.
    pub task: Arc<str>,
    /// Of this user, from 0 since it was made.
    pub iteration: u64,
    /// When the guest was called.
    pub start: SystemTime,
    /// How much earlier the iteration was to start.
    pub lag: Duration,
    /// From [`Self::start`] to the end.
    pub took: Duration,
    /// Why it failed: a stable code, and what was said.
    pub failure: Option<(Arc<str>, Arc<str>)>,
    /// Whose parent is the call into the guest.
    pub requests: Vec<RequestSpan>,
    /// Requests beyond [`SPANS_PER_TRACE`].
    pub omitted: u32,
}

/// One request of an iteration, redirects included.
#[derive(Debug, Clone)]
pub struct RequestSpan {
    /// As in the `traceparent` that the target saw; not 0.
    pub span_id: u64,
    /// When work on it began, counted from [`IterationTrace::start`].
    pub start: Duration,
    /// Upper case.
    pub method: Arc<str>,
    /// Of the series.
    pub name: Arc<str>,
    /// Without values of its query.
    pub url: String,
    /// Host and port that it was for; None: it had none.
    pub server: Option<(String, u16)>,
    /// None: there is no answer.
    pub status: Option<u16>,
    /// Why it counts as failed: a stable code, and a message for people.
    pub failure: Option<(&'static str, String)>,
    /// Where the time went.
    pub timings: Timings,
    /// Redirects that were followed.
    pub redirects: u32,
    /// Sent, with headers.
    pub bytes_sent: u64,
    /// Of the answer's body as received.
    pub body_bytes: u64,
}

impl RequestSpan {
    pub(super) fn new(span_id: u64, exchange: &Exchange, told: &Told) -> Self {
        Self {
            span_id,
            start: Duration::ZERO,
            method: Arc::clone(&told.method),
            name: Arc::clone(&told.name),
            url: told.url.clone(),
            server: told.server.clone(),
            status: exchange.result.as_ref().ok().map(|answer| answer.status),
            failure: told.failure.clone(),
            timings: exchange.timings,
            redirects: exchange.redirects,
            bytes_sent: exchange.bytes_sent,
            body_bytes: exchange.result.as_ref().map_or(0, |answer| answer.body_bytes),
        }
    }
}

/// One user's part in it.
#[derive(Debug)]
pub(super) struct Sampler {
    traces: Traces,
    /// Number of the iteration that begins next, and of the next that is sampled.
    iteration: u64,
    next: u64,
    gaps: Rng,
    ids: Rng,
    under_way: Option<Box<UnderWay>>,
}

#[derive(Debug)]
struct UnderWay {
    trace_id: u128,
    begin: Instant,
    start: SystemTime,
    lag: Duration,
    requests: Vec<RequestSpan>,
    omitted: u32,
}

impl Sampler {
    pub(super) fn new(traces: Traces, seed: u64) -> Self {
        let mut gaps = Rng::with_seed(seed ^ SALT);
        let next = gap(traces.share, &mut gaps);
        Self { traces, iteration: 0, next, gaps, ids: Rng::new(), under_way: None }
    }

    pub(super) fn traces(&self) -> &Traces {
        &self.traces
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// If the iteration that begins is sampled: how its requests are to be marked.
    #[inline]
    pub(super) fn begin(&mut self, due: Due) -> Option<Box<Marks>> {
        let number = self.iteration;
        self.iteration += 1;
        if number == self.next { Some(self.begin_trace(due)) } else { None }
    }

    #[cold]
    fn begin_trace(&mut self, due: Due) -> Box<Marks> {
        let gap = gap(self.traces.share, &mut self.gaps);
        self.next = self.next.saturating_add(1).saturating_add(gap);
        let trace_id = self.ids.u128(1..);
        // The iteration began before the wall clock is looked at, but only just.
        self.under_way = Some(Box::new(UnderWay {
            trace_id,
            begin: due.actual,
            start: SystemTime::now(),
            lag: due.lag(),
            requests: Vec::new(),
            omitted: 0,
        }));
        Box::new(Marks::new(trace_id, self.traces.propagate, self.ids.fork()))
    }

    /// Whether there was room for it.
    pub(super) fn add(&mut self, mut span: RequestSpan, begun: Instant) -> bool {
        let Some(trace) = &mut self.under_way else { return true };
        if trace.requests.len() >= SPANS_PER_TRACE {
            trace.omitted = trace.omitted.saturating_add(1);
            return false;
        }
        span.start = begun.saturating_duration_since(trace.begin);
        trace.requests.push(span);
        true
    }

    /// None: the iteration was not sampled.
    #[inline]
    pub(super) fn end(
        &mut self,
        task: &Arc<str>,
        outcome: &CallOutcome,
        who: &Who,
    ) -> Option<IterationTrace> {
        let UnderWay { trace_id, begin, start, lag, requests, omitted } = *self.under_way.take()?;
        let Who { run, worker, vu, user_type } = who.clone();
        Some(IterationTrace {
            trace_id,
            span_id: self.ids.u64(1..),
            task_span_id: self.ids.u64(1..),
            run,
            worker,
            vu: vu.unwrap_or_default(),
            user_type,
            task: Arc::clone(task),
            iteration: self.iteration - 1,
            start,
            lag,
            took: begin.elapsed(),
            failure: failure(outcome),
            requests,
            omitted,
        })
    }
}

/// How many iterations are passed over before the next that is sampled, drawn so that each is sampled with
/// the same probability (the geometric distribution, by inversion).
fn gap(share: f64, random: &mut Rng) -> u64 {
    let passed = (1.0 - random.f64()).ln() / (1.0 - share).ln();
    passed as u64 // rounds down, and ends at the greatest number
}

fn failure(outcome: &CallOutcome) -> Option<(Arc<str>, Arc<str>)> {
    let (code, message) = match outcome {
        CallOutcome::Done | CallOutcome::Finished => return None,
        CallOutcome::Failed(why) => ("guest-failed".into(), why),
        CallOutcome::StopUser(why) => ("guest-stop-user".into(), why),
        CallOutcome::AbortRun(why) => ("guest-abort-run".into(), why),
        CallOutcome::Crashed(crash) => (Arc::clone(&crash.code), &crash.message),
        CallOutcome::Cancelled => ("cancelled".into(), &"".into()),
    };
    Some((code, Arc::clone(message)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sampled(share: f64, seed: u64, iterations: u64) -> Vec<u64> {
        let mut sampler = Sampler::new(Traces::new(share, false).unwrap().0, seed);
        (0..iterations).filter(|_| sampler.begin(Due::now()).is_some()).collect()
    }

    #[test]
    fn which_iterations_are_sampled_follows_from_the_seed() {
        assert_eq!(sampled(0.01, 7, 100_000), sampled(0.01, 7, 100_000));
        assert_ne!(sampled(0.01, 7, 100_000), sampled(0.01, 8, 100_000));
    }

    #[test]
    fn as_many_are_sampled_as_were_asked_for() {
        assert_eq!(sampled(1.0, 7, 100), (0..100).collect::<Vec<_>>());
        // A hundred users of a thousand iterations: 1,000 are expected, with a deviation of 32.
        let count: usize = (0..100).map(|seed| sampled(0.01, seed, 1_000).len()).sum();
        assert!((840..1_160).contains(&count), "{count}");
        assert!(Traces::new(0.0, false).is_none());
    }
}
