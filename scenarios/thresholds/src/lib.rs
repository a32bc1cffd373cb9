//! What must hold: the run ends with exit code 99 if one of these conditions is broken.
//!
//! ```text
//! loadhost run --scenario thresholds.wasm --host http://127.0.0.1:8000 --users 10 --run-time 10s
//! loadhost run … --threshold 'http_req_duration p(99) < 100ms'
//! ```
//!
//! Also shows setup and teardown, which run once per run, on one worker of the fleet: what
//! `setup` returns is given to each user.

use loadhost_sdk::prelude::*;

/// The catalogue is fetched once, not by each user.
fn fetch_catalogue() -> Outcome<Vec<u32>> {
    let page = get("/items").fetch().or_abort_run("the shop has no catalogue")?;
    (0..20).map(|n| Ok(page.json_at(&format!("/items/{n}/id"))?)).collect()
}

fn say_goodbye(catalogue: &Setup<Vec<u32>>) -> Outcome {
    info!("{} items were looked at", catalogue.len());
    Ok(())
}

#[derive(Default)]
struct Visitor;

#[user(wait = "10ms..50ms")]
impl Visitor {
    #[task(weight = 4)]
    fn look_at_an_item(&mut self, catalogue: &Setup<Vec<u32>>) -> Outcome {
        let id = *pick(catalogue).or_stop_user("the catalogue is empty")?;
        let item = get("/item/{id}").with(id).fetch()?;
        let price: u32 = item.json_at("/price")?;
        check("price is positive", price > 0);
        trend("price").unit("cents").add(price);
        Ok(())
    }

    #[task(weight = 1)]
    fn look_for_what_is_not_there(&mut self) -> Outcome {
        get("/item/{id}").with(5000).name("/item/missing").expect_status(404).send()?;
        Ok(())
    }
}

export!(
    Visitor;
    setup = fetch_catalogue,
    teardown = say_goodbye,
    thresholds = [
        "http_req_duration{name=/item/{id}} p(95) < 500ms",
        "checks > 99%",
        "price max < 10000",
        abort("http_req_failed rate < 10%", after = "5s"),
    ],
);

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_sdk::ScenarioDefinition;
    use loadhost_sdk::test::{Reply, World};

    fn shop() -> World {
        let items: Vec<_> = (1..=20).map(|id| json!({ "id": id })).collect();
        World::new()
            .on("GET", "/items", Reply::json(200, json!({ "items": items })))
            .on("GET", "/item/{id}", Reply::json(200, json!({ "price": 495 })))
            .on("GET", "/item/5000", Reply::status(404))
    }

    #[test]
    fn users_look_at_what_setup_found() {
        let shop = shop();
        shop.setup::<Scenario>().unwrap();
        let mut visitor = shop.user::<Visitor>();
        visitor.run("look_at_an_item").unwrap();
        visitor.run("look_for_what_is_not_there").unwrap();
        shop.teardown::<Scenario>().unwrap();
        assert!(shop.failed().is_empty());
        assert_eq!(shop.metric("price")[0].value, 495.0);
        assert_eq!(shop.logs()[0].1, "20 items were looked at");
    }

    #[test]
    fn without_a_catalogue_there_is_no_run() {
        let failure = World::new().setup::<Scenario>().unwrap_err();
        assert!(matches!(failure, Failure::AbortRun(_)), "{failure:?}");
    }

    #[test]
    fn a_threshold_may_be_about_one_name() {
        let thresholds = Scenario::description().unwrap().thresholds;
        assert_eq!(thresholds[0].tags, [("name".to_string(), "/item/{id}".to_string())]);
        assert_eq!(thresholds[3].abort_after, Some(Duration::from_secs(5)));
    }
}
