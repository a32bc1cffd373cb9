//! A scenario that says itself how many users run: two waves, the second one higher.
//!
//! ```text
//! loadhost run --scenario load_shape.wasm --host http://127.0.0.1:8000 --param peak=40
//! ```
//!
//! The shape is asked once a second. It may look at the time, the users, the requests per
//! second and the share of failures; this one ends the run early when the site breaks down.

use loadhost_sdk::prelude::*;

#[derive(Params)]
struct Waves {
    /// Users at the top of the second wave
    #[param(default = 20)]
    peak: u32,
    /// Length of one wave
    #[param(default = "10s")]
    length: Duration,
}

#[derive(Default)]
struct TwoWaves;

impl LoadShape for TwoWaves {
    fn tick(&mut self, now: &Now) -> Option<Target> {
        let waves = given::<Waves>().ok()?;
        let wave = now.elapsed.div_duration_f64(waves.length);
        if wave >= 2.0 || now.failure_ratio > 0.5 {
            return None;
        }
        let height = if wave < 1.0 { 0.5 } else { 1.0 };
        let users = f64::from(waves.peak) * height * (wave.fract() * std::f64::consts::PI).sin();
        Some(Target::users(users.ceil() as u32))
    }
}

#[derive(Default)]
struct Visitor;

#[user(wait = "100ms..300ms")]
impl Visitor {
    #[task]
    fn fetch(&mut self) -> Outcome {
        get("/").send()?;
        Ok(())
    }
}

export!(Visitor; shape = TwoWaves, params = Waves);

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_sdk::test::{Reply, World};

    fn users_at(seconds: u64, failure_ratio: f64) -> Option<u32> {
        let now = Now { elapsed: Duration::from_secs(seconds), failure_ratio, ..Now::default() };
        TwoWaves.tick(&now).map(|target| target.users)
    }

    #[test]
    fn the_second_wave_is_twice_as_high() {
        let _world = World::new().param("peak", 40);
        assert_eq!(users_at(5, 0.0), Some(20));
        assert_eq!(users_at(15, 0.0), Some(40));
        assert_eq!(users_at(20, 0.0), None);
    }

    #[test]
    fn a_broken_site_ends_the_run() {
        let _world = World::new();
        assert_eq!(users_at(3, 0.6), None);
    }

    #[test]
    fn a_visitor_fetches() {
        let world = World::new().on("GET", "/", Reply::status(200));
        world.user::<Visitor>().run("fetch").unwrap();
        assert!(world.failed().is_empty());
    }
}
