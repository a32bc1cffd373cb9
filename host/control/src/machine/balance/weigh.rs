//! What CPUs say of the load that workers can make.

use super::super::distribute::Seat;

/// A share that is measured to cost less CPU than this says nothing about what more would cost.
const LEAST_CPU: f64 = 0.05;

/// What of the load one CPU of a worker does; 0: not known.
pub(super) fn slots_per_cpu(has: u32, cpu: f64) -> f64 {
    if has == 0 || !cpu.is_finite() || cpu < LEAST_CPU { 0.0 } else { f64::from(has) / cpu }
}

/// From what each seat has now half the way to what its weight, the load that it carries per CPU, says: all at once,
/// shares would swing. Who has not been measured is taken for as able as the others; without any
/// measurement, as its room says.
pub(super) fn half_way(mut seats: Vec<Seat>, has: impl Fn(u32) -> u32) -> Vec<Seat> {
    let known: Vec<f64> =
        seats.iter().map(|seat| seat.weight).filter(|weight| *weight > 0.0).collect();
    if known.is_empty() {
        seats.iter_mut().for_each(|seat| seat.weight = f64::from(seat.room));
        return seats;
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    for seat in seats.iter_mut().filter(|seat| seat.weight == 0.0) {
        seat.weight = mean;
    }
    let able: f64 = seats.iter().map(|seat| seat.weight).sum();
    let held: u32 = seats.iter().map(|seat| has(seat.seat)).sum();
    for seat in &mut seats {
        let wanted = seat.weight / able;
        seat.weight = match has(seat.seat) {
            0 => wanted,
            has => f64::midpoint(wanted, f64::from(has) / f64::from(held)),
        };
    }
    seats
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::machine::distribute::apportion;

    /// What workers have after some intervals, if a CPU of each does so many slots.
    fn settle(per_cpu: &[f64], has: &[u32], intervals: u32) -> Vec<u32> {
        let of: u32 = has.iter().sum();
        (0..intervals).fold(has.to_vec(), |has, _| {
            let weight = |(at, per_cpu): (usize, &f64)| Seat {
                seat: at as u32,
                room: 10_000,
                weight: slots_per_cpu(has[at], f64::from(has[at]) / per_cpu),
            };
            let seats = per_cpu.iter().enumerate().map(weight).collect();
            apportion(of, 1_000, &half_way(seats, |seat| has[seat as usize]))
        })
    }

    #[test]
    fn half_of_what_is_wrong_is_left_after_each_interval() {
        for (intervals, expected) in [(0, 120), (1, 140), (2, 150), (3, 155), (9, 160)] {
            assert_eq!(settle(&[400.0, 200.0], &[120, 120], intervals)[0], expected);
        }
    }

    #[test]
    fn a_newcomer_is_taken_for_as_able_as_the_others() {
        let after = settle(&[300.0, 300.0, 300.0], &[120, 120, 0], 1);
        assert!(after[2] > 60 && after.iter().sum::<u32>() == 240, "{after:?}");
    }

    proptest! {
        #[test]
        fn shares_come_to_what_cpus_can_do_and_stay_there(
            per_cpu in proptest::collection::vec(100.0..800.0_f64, 2..8),
        ) {
            let has: Vec<u32> = per_cpu.iter().map(|_| 240).collect();
            let (after, later) = (settle(&per_cpu, &has, 12), settle(&per_cpu, &has, 20));
            let able: f64 = per_cpu.iter().sum();
            for (at, per_cpu) in per_cpu.iter().enumerate() {
                let wanted = per_cpu / able * f64::from(has.iter().sum::<u32>());
                prop_assert!((f64::from(after[at]) - wanted).abs() <= 3.0, "{wanted} {after:?}");
                prop_assert!(after[at].abs_diff(later[at]) <= 2, "{after:?} {later:?}");
            }
        }
    }
}
