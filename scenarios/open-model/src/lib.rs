//! Requests that come by the clock, whether or not earlier ones are answered: the open model.
//!
//! ```text
//! loadhost run --scenario open_model.wasm --host http://127.0.0.1:8000
//! loadhost run --scenario open_model.wasm --host http://127.0.0.1:8000 --rate 200/s --poisson
//! ```
//!
//! Visitors of a site do not wait for each other. If the site gets slow, they keep coming, and
//! a test with a fixed number of users would hide that: its users come less often. Here an
//! iteration is due every 20 ms. If no user is free it starts late, and the delay counts in the
//! response time. The settings below are proposals; flags go before them.

use loadhost_sdk::prelude::*;

#[derive(Default)]
struct Visitor;

#[user]
impl Visitor {
    #[task(weight = 9, tags("read"))]
    fn look_at_an_item(&mut self) -> Outcome {
        get("/item/{id}").with(range(1..=1000)).send()?;
        Ok(())
    }

    #[task(weight = 1, tags("read", "slow"))]
    fn search(&mut self) -> Outcome {
        get("/slow?ms={ms}").with(range(50..=150)).name("/slow").send()?;
        Ok(())
    }
}

export!(Visitor; settings = { rate: "50/s", "max-users": 100, "run-time": "10s" });

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_sdk::ScenarioDefinition;
    use loadhost_sdk::test::{Reply, World};

    #[test]
    fn each_item_counts_under_one_name() {
        let world = World::new().on("GET", "/item/{id}", Reply::status(200));
        let mut visitor = world.user::<Visitor>();
        for _ in 0..10 {
            visitor.run("look_at_an_item").unwrap();
        }
        assert!(world.sent().iter().all(|sent| sent.name == "/item/{id}"));
        assert!(world.sent().iter().any(|sent| sent.url != world.sent()[0].url));
    }

    #[test]
    fn the_scenario_proposes_a_rate() {
        let settings = Scenario::description().unwrap().settings;
        assert!(settings.contains(&("rate".to_string(), "50/s".to_string())), "{settings:?}");
    }
}
