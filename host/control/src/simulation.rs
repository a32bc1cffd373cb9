//! Thousands of histories of a coordinator and its workers on virtual time, from seeds.
//!
//! Messages are late, lost, doubled and out of order; workers crash, restart, stand still and are
//! cut off; they fail, and so does whoever leads, and the next leader goes on. [`world::World`] plays the history; the tests here say what must be true of each. A
//! failure names its seed: `LOADHOST_SEED=17` plays that history alone, `LOADHOST_HISTORIES=5000`
//! plays more of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agent;
mod leader;
mod world;

use std::time::Duration;

use loadhost_model::plan::LossPolicy;

use world::{Fault, Setting, World};

use crate::report::EndReason;

/// Plays each seed, and says which one failed.
pub(crate) fn histories(default: u64, play: impl Fn(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("LOADHOST_SEED") {
        return play(seed);
    }
    for seed in 0..number("LOADHOST_HISTORIES").unwrap_or(default) {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(seed)));
        if let Err(panic) = played {
            eprintln!("the history of LOADHOST_SEED={seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn in_quiet_weather_each_arrival_is_served_exactly_once() {
    histories(20, |seed| {
        let mut world = World::new(seed, Setting { loss: 0.0, ..Setting::default() });
        world.play(&[]);
        world.check_arrivals();
        world.check_totals();
        assert_eq!(world.report().ended, EndReason::Completed);
    });
}

/// After these faults every arrival was served once, the totals are what was sent, and shares are even again.
fn disturbed_by(seed: u64, faults: &[Fault]) -> World {
    let mut world = World::new(seed, Setting::default());
    let faults = world.plan_of(faults);
    world.play(&faults);
    world.check_arrivals();
    world.check_totals();
    world.check_levelled();
    world
}

#[test]
fn newcomers_and_those_who_leave_disturb_no_arrival() {
    histories(100, |seed| {
        disturbed_by(seed, &[Fault::Join, Fault::Drain, Fault::Join]);
    });
}

#[test]
fn the_next_leader_goes_on_with_what_is_on_its_way_and_disturbs_no_arrival() {
    histories(100, |seed| {
        disturbed_by(seed, &[Fault::Join, Fault::Kill, Fault::Drain, Fault::Kill]);
    });
}

#[test]
fn newcomers_that_fail_disturb_no_arrival() {
    histories(100, |seed| {
        disturbed_by(seed, &[Fault::FailingJoin, Fault::Kill, Fault::FailingJoin]);
    });
}

#[test]
fn other_versions_of_the_scenario_come_to_all_or_nobody_and_disturb_no_arrival() {
    histories(100, |seed| {
        let all = [
            [Fault::Change, Fault::Kill, Fault::Change, Fault::Join, Fault::Change],
            [Fault::Unable, Fault::Change, Fault::Change, Fault::Drain, Fault::Kill],
            [Fault::Join, Fault::Change, Fault::Kill, Fault::Unable, Fault::Change],
        ];
        disturbed_by(seed, &all[seed as usize % 3]).check_versions();
    });
}

#[test]
fn another_version_comes_to_all_whoever_is_lost_meanwhile() {
    histories(100, |seed| {
        let all = [
            [Fault::Change, Fault::Crash, Fault::Change, Fault::Join],
            [Fault::Restart, Fault::Change, Fault::Kill, Fault::Change],
            [Fault::Change, Fault::Cut, Fault::Change, Fault::Pause],
        ];
        disturbed_by(seed, &all[seed as usize % 3]).check_versions();
    });
}

#[test]
fn whatever_happens_nothing_is_lost_or_doubled_beyond_the_bound() {
    histories(200, |seed| {
        let mut world = World::new(seed, Setting::default());
        let faults = world.any_faults();
        world.play(&faults);
        world.check_arrivals();
        world.check_totals();
        world.check_levelled();
        assert_eq!(world.report().ended, EndReason::Completed, "{faults:?}");
    });
}

#[test]
fn a_killed_workers_share_is_served_elsewhere_within_five_seconds() {
    histories(100, |seed| {
        let mut world = World::new(seed, Setting::default());
        let faults = world.plan_of(&[Fault::Crash]);
        world.play(&faults);
        let killed = Duration::from_micros(faults[0].at);
        let loss = &world.report().view.losses[0];
        assert!(loss.at <= killed + Duration::from_millis(4_300), "{loss:?}, killed at {killed:?}");
        assert!(world.longest_gap() <= Duration::from_secs(5), "{:?}", world.longest_gap());
    });
}

#[test]
fn with_abort_a_loss_ends_the_run() {
    histories(20, |seed| {
        let setting = Setting { on_worker_lost: LossPolicy::Abort, ..Setting::default() };
        let mut world = World::new(seed, setting);
        let faults = world.plan_of(&[Fault::Crash]);
        world.play(&faults);
        assert!(
            matches!(&world.report().ended, EndReason::WorkerFailed { code, .. } if code == "lost")
        );
        world.check_totals();
    });
}
