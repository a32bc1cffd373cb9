//! What an interval of 100 endpoints costs a master: bytes, time to decode, time to merge.
//!
//! `cargo run -p loadhost-model --example interval_cost`

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loadhost_model::id::{Incarnation, RunId, Term, WorkerId};
use loadhost_model::interval::{HttpStats, Interval, SeriesStats, Statistics};
use loadhost_model::metric::SeriesKey;
use loadhost_model::wire::{decode_interval, encode_interval};

const ROUNDS: u32 = 500;

fn endpoints(samples: u64) -> Statistics {
    let mut rng = fastrand::Rng::with_seed(samples);
    let mut statistics = Statistics::default();
    for endpoint in 0..100 {
        let mut http =
            HttpStats { requests: samples, body_bytes: 200 * samples, ..HttpStats::default() };
        http.statuses.insert(200, samples);
        for _ in 0..samples {
            let micros = rng.u64(3_000..9_000);
            http.response_time.record(micros + 3);
            http.service_time.record(micros);
        }
        let (method, name) = ("GET".into(), format!("/item/{endpoint}").into());
        let key = SeriesKey::Http { method, name, tags: Arc::default(), group: "".into() };
        statistics.series.insert(key, SeriesStats::Http(Box::new(http)));
    }
    statistics
}

fn micros(mut action: impl FnMut()) -> f64 {
    let begin = Instant::now();
    (0..ROUNDS).for_each(|_| action());
    begin.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:>8} {:>8} {:>10} {:>10} {:>10}", "samples", "bytes", "encode", "decode", "merge");
    for samples in [1, 10, 100] {
        let interval = Interval {
            run: RunId::new("01J9")?,
            worker: WorkerId::new("w-1")?,
            incarnation: Incarnation(1),
            seq: 1,
            term: Term(1),
            begin: Duration::ZERO,
            end: Duration::from_secs(1),
            users: BTreeMap::new(),
            statistics: endpoints(samples),
            last: false,
        };
        let bytes = encode_interval(&interval);
        let encode = micros(|| drop(black_box(encode_interval(black_box(&interval)))));
        let decode = micros(|| drop(black_box(decode_interval(black_box(&bytes)))));
        let mut total = Statistics::default();
        let merge = micros(|| total.merge_ref(black_box(&interval.statistics)));
        let size = bytes.len();
        println!("{samples:>8} {size:>8} {encode:>7.1} µs {decode:>7.1} µs {merge:>7.1} µs");
    }
    Ok(())
}
