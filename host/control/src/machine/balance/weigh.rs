//! What CPUs say of the load that workers can make.

use super::super::distribute::Seat;

/// A share that is measured to cost less CPU than this says nothing about what more would cost.
const LEAST_CPU: f64 = 0.05;

/// What of the load one CPU of a worker does; 0: not known.
pub(super) fn slots_per_cpu(has: u32, cpu: f64) -> f64 {
    if has == 0 || !cpu.is_finite() || cpu < LEAST_CPU { 0.0 } else { f64::from(has) / cpu }
}

/// Who has not been measured is taken for as able as the others; without any measurement, as
/// its room says. Of measured ones half the way is gone, so that they do not swing.
pub(super) fn guess_unmeasured(mut seats: Vec<Seat>) -> Vec<Seat> {
    let known: Vec<f64> =
        seats.iter().map(|seat| seat.weight).filter(|weight| *weight > 0.0).collect();
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    for seat in &mut seats {
        seat.weight = match seat.weight {
            _ if known.is_empty() => f64::from(seat.room),
            0.0 => mean,
            weight => f64::midpoint(weight, mean),
        };
    }
    seats
}
