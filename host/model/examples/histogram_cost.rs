//! What a histogram costs: time per sample, memory per series, bytes on the wire.
//!
//! `cargo run -p loadhost-model --example histogram_cost`

use std::hint::black_box;
use std::time::Instant;

use loadhost_model::histogram::Histogram;

const SAMPLES: usize = 10_000_000;

/// Log-normal around 5 ms, in microseconds.
fn samples(n: usize, spread: f64) -> Vec<u64> {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut normal = || {
        let (u, v) = (1.0 - rng.f64(), rng.f64());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    (0..n).map(|_| (5_000.0 * (spread * normal()).exp()) as u64).collect()
}

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

fn main() {
    let values = samples(1 << 20, 0.5);
    let rounds = SAMPLES / values.len();
    let mut histogram = Histogram::new();
    let begin = Instant::now();
    for _ in 0..rounds {
        values.iter().for_each(|value| histogram.record(black_box(*value)));
    }
    let nanos = begin.elapsed().as_nanos() as f64 / (rounds * values.len()) as f64;
    println!("record: {nanos:.1} ns per sample");

    let begin = Instant::now();
    for _ in 0..1000 {
        black_box(black_box(&histogram).quantiles([0.5, 0.9, 0.95, 0.99]));
    }
    println!("four percentiles: {:.1} µs", begin.elapsed().as_secs_f64() * 1e3);

    println!(
        "{:>9} {:>7} {:>12} {:>12} {:>12}",
        "samples", "spread", "bytes held", "bytes sent", "merge"
    );
    for spread in [0.1, 0.5, 1.0] {
        for n in [1, 10, 100, 10_000, 1_000_000] {
            let histogram = of(&samples(n, spread));
            let sent = postcard::to_stdvec(&histogram).map_or(0, |bytes| bytes.len());
            let begin = Instant::now();
            let mut sum = Histogram::new();
            for _ in 0..100 {
                sum.merge(black_box(&histogram));
            }
            let micros = begin.elapsed().as_secs_f64() * 1e4;
            println!(
                "{n:>9} {spread:>7} {:>12} {sent:>12} {micros:>9.2} µs",
                histogram.heap_bytes()
            );
        }
    }
}
