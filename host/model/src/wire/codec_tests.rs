#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::histogram::Histogram;
use crate::id::{Incarnation, RunId, Term, WorkerId};
use crate::interval::{HttpStats, PassStats, SeriesStats, Statistics};
use crate::metric::SeriesKey;
use crate::wire::{StopMode, WorkerState};

fn interval(statistics: Statistics) -> Interval {
    Interval {
        run: RunId::new("01J9").unwrap(),
        worker: WorkerId::new("w-3").unwrap(),
        incarnation: Incarnation(u64::MAX),
        seq: 1,
        term: Term(2),
        begin: Duration::ZERO,
        end: Duration::from_secs(1),
        users: BTreeMap::from([(Arc::from("Shopper"), 7)]),
        statistics,
        last: true,
    }
}

/// 100 endpoints with so many samples each.
fn endpoints(samples: u64) -> Statistics {
    let mut statistics = Statistics::default();
    for endpoint in 0..100_u64 {
        let mut http = HttpStats { requests: samples, ..HttpStats::default() };
        http.statuses.insert(200, samples);
        for sample in 0..samples {
            let micros = 4_000 + endpoint * 37 % 2_000 + sample * 211 % 3_000;
            http.response_time.record(micros);
            http.service_time.record(micros);
        }
        let name = format!("/item/{endpoint}").into();
        let (method, group) = ("GET".into(), "".into());
        let key = SeriesKey::Http { method, name, tags: Arc::default(), group };
        statistics.series.insert(key, SeriesStats::Http(Box::new(http)));
    }
    statistics
}

#[test]
fn a_hundred_endpoints_take_few_kilobytes() {
    let check = |samples, limit| {
        let bytes = encode_interval(&interval(endpoints(samples))).len();
        assert!(bytes <= limit, "{samples} samples: {bytes} bytes");
    };
    // Two histograms each, of 10 and of 34 bytes, and some 45 for the name and the counters.
    check(0, 4_500);
    check(1, 6_500);
    check(10, 11_500);
}

#[test]
fn another_version_is_refused_by_name() {
    let mut bytes = encode_interval(&interval(Statistics::default()));
    bytes[0] = 9;
    let error = decode_interval(&bytes).unwrap_err().to_string();
    assert!(
        error.contains("interval has message version 9, this loadhost speaks version 1"),
        "{error}"
    );
    let json = br#"{"version": 2, "shape": "unknown"}"#;
    let error = Assignment::from_json(json).unwrap_err();
    assert_eq!(error, WireError::Version { what: "assignment", theirs: 2, ours: VERSION });
}

#[test]
fn altered_intervals_are_refused() {
    let bytes = encode_interval(&interval(endpoints(3)));
    assert!(decode_interval(&bytes).is_ok());
    assert!(decode_interval(&[]).is_err());
    assert!(decode_interval(&bytes[..bytes.len() - 1]).is_err());
    assert!(decode_interval(&[&bytes[..], &[0]].concat()).is_err());
    assert!(matches!(
        decode_interval(&vec![1; MAX_INTERVAL_BYTES + 1]),
        Err(WireError::TooLong { .. })
    ));
}

#[test]
fn statistics_of_another_kind_are_refused() {
    let mut statistics = endpoints(1);
    for stats in statistics.series.values_mut() {
        *stats = SeriesStats::Pass(PassStats::default());
    }
    let error = decode_interval(&encode_interval(&interval(statistics))).unwrap_err().to_string();
    assert!(error.contains("statistics of another kind"), "{error}");
}

#[test]
fn a_forged_histogram_is_refused() {
    let check = |numbers: &[u64], good: bool| {
        let read = postcard::from_bytes::<Histogram>(&postcard::to_stdvec(numbers).unwrap());
        assert_eq!(read.is_ok(), good, "{numbers:?}: {read:?}");
    };
    check(&[], true);
    check(&[5, 0, 5, 0, 0, 5, 1], true);
    check(&[5, 0, 5, 0, 0], false); // no bucket
    check(&[5, 0, 5, 0, 0, 5], false); // no count
    check(&[5, 0, 5, 0, 0, 5, 0], false); // empty bucket
    check(&[5, 0, 5, 0, 0, 6, 1], false); // another bucket than the least value's
    check(&[5, 0, 6, 0, 0, 5, 1], false); // a sum above all values
    check(&[5, 0, 5, 0, 2, 5, 1], false); // more clamped than counted
    check(&[5, u64::MAX, 5, 0, 0, 5, 1], false);
    check(&[5, 0, 5, 0, 0, 5, 1, u64::MAX, 1], false);
    check(&[5, 0, 5, 0, 0, 5, u64::MAX, 0, 1], false); // counts overflow
}

#[test]
fn a_worker_status_survives_json() {
    let status = WorkerStatus {
        version: VERSION,
        worker: WorkerId::new("w-3").unwrap(),
        incarnation: Incarnation(u64::MAX),
        release: "0.1.0".to_string(),
        tags: BTreeMap::from([("region".to_string(), "eu".to_string())]),
        capacity: 1000,
        weight: 1,
        shards: 2,
        users: 10,
        cpu: 0.5,
        memory: 1 << 30,
        lag: 1_250,
        applied: (Term(1), 7),
        share_from: 0,
        run: Some(RunId::new("01J9").unwrap()),
        state: WorkerState::Stopped { last_seq: 4 },
        draining: false,
        edition: Default::default(),
        shared: Default::default(),
    };
    assert_eq!(WorkerStatus::from_json(&status.to_json()), Ok(status));
}

#[test]
fn steps_and_modes_are_words_in_json() {
    let step = crate::wire::Step::Stop { mode: StopMode::Graceful };
    assert_eq!(serde_json::to_string(&step).unwrap(), r#"{"stop":{"mode":"graceful"}}"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_interval_survives_the_wire(statistics in crate::interval::any_statistics()) {
        let interval = interval(statistics);
        prop_assert_eq!(&decode_interval(&encode_interval(&interval)).unwrap(), &interval);
        let json = serde_json::to_string(&interval).unwrap();
        let read: Interval = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read.statistics.total(), interval.statistics.total());
    }

    #[test]
    fn noise_is_no_interval(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode_interval(&bytes);
        let _ = decode_interval(&[&[1], &bytes[..]].concat());
        let _ = WorkerStatus::from_json(&bytes);
    }

    #[test]
    fn a_flipped_byte_never_panics(place in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode_interval(&interval(endpoints(2)));
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(interval) = decode_interval(&bytes) {
            let mut sum = interval.statistics.clone();
            sum.merge(interval.statistics);
        }
    }
}
