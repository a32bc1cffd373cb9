//! What `#[user]`, `Params` and `export!` make, seen through a scripted world.
#![allow(clippy::unwrap_used)]

use loadhost_sdk::ScenarioDefinition;
use loadhost_sdk::User;
use loadhost_sdk::description::{Order, WaitTime};
use loadhost_sdk::http::Cause;
use loadhost_sdk::prelude::*;
use loadhost_sdk::test::{Reply, World};

#[derive(Params)]
struct Shop {
    /// Password of the customers,
    /// the same for all
    #[param(default = "secret", secret)]
    password: String,
    #[param(default = 3)]
    items: u32,
    #[param(default = "eur", choice("eur", "usd"))]
    currency: String,
    discount: Option<f64>,
    #[param(kind = "url")]
    images: String,
}

#[derive(Default)]
struct Shopper {
    log: Vec<String>,
}

#[user(
    weight = 3,
    wait = "1s..3s",
    order = markov,
    group(name = "browsing", weight = 2, order = shuffled, rounds = "2..5", tags("read")),
    group(name = "pictures", parent = "browsing", rounds = 1),
)]
impl Shopper {
    #[on_start]
    fn arrive(&mut self, shop: &Shop, catalogue: &Setup<Vec<u32>>, me: &Context) -> Outcome {
        let Shop { password, items, currency, discount, images } = shop;
        let first = catalogue.first().or_abort_run("nothing to buy")?;
        self.log.push(format!(
            "{} {password} {items} {currency} {discount:?} {images} {first}",
            me.user_id
        ));
        Ok(())
    }

    #[task(5, wait = pacing("2s"), next(browse = 3, leave))]
    fn look(&mut self) {
        self.log.push("look".to_string());
    }

    #[task(name = "browse all", group = "browsing", tags("slow", "read"), wait = none)]
    fn browse(&mut self) -> Outcome {
        Err(fail("nothing to see"))
    }

    #[task(weight = 0, group = "pictures", wait = throughput(4), tags = "rare")]
    fn leave(&self) -> Result<(), std::num::ParseIntError> {
        "x".parse::<u32>().map(|_| ())
    }

    #[on_stop]
    fn depart(&mut self) {
        self.log.push("stop".to_string());
    }
}

#[derive(Default)]
struct Admin;

#[user(count = 1, wait = exponential(0.5), name = "Administrator")]
impl Admin {
    #[task]
    fn work(&mut self, shop: &Shop) -> Outcome {
        get("/admin").bearer(&shop.password).send()?;
        Ok(())
    }
}

fn stock(shop: &Shop) -> Outcome<Vec<u32>> {
    Ok((1..=shop.items).collect())
}

export!(Shopper, Admin; setup = stock, name = "shop", hosts = ["cdn.example.com"]);

#[test]
fn a_user_type_is_what_its_attributes_say() {
    let shopper = Shopper::user_type();
    assert_eq!((shopper.name.as_str(), shopper.weight, shopper.fixed_count), ("Shopper", 3, None));
    assert_eq!(shopper.wait, WaitTime::Between(secs(1.0), secs(3.0)));
    assert_eq!(shopper.order, Order::Markov);
    let [look, browse, leave] = shopper.tasks.as_slice() else { panic!("{:?}", shopper.tasks) };
    assert_eq!((look.name.as_str(), look.weight, look.group), ("look", 5, None));
    assert_eq!(look.wait, Some(WaitTime::Pacing(secs(2.0))));
    assert_eq!(look.next, [(1, 3), (2, 1)]);
    assert_eq!(
        (browse.name.as_str(), browse.group, browse.wait),
        ("browse all", Some(0), Some(WaitTime::None))
    );
    assert_eq!(browse.tags, ["slow", "read"]);
    assert_eq!((leave.weight, leave.group), (0, Some(1)));
    assert_eq!(leave.wait, Some(WaitTime::Pacing(millis(250))));
    let [browsing, pictures] = shopper.groups.as_slice() else { panic!("{:?}", shopper.groups) };
    assert_eq!((browsing.weight, browsing.rounds, browsing.parent), (2, (2, 5), None));
    assert_eq!(
        (browsing.order, browsing.tags.as_slice()),
        (Order::Shuffled, &["read".to_string()][..])
    );
    assert_eq!((pictures.rounds, pictures.parent), ((1, 1), Some(0)));

    let admin = Admin::user_type();
    assert_eq!((admin.name.as_str(), admin.fixed_count), ("Administrator", Some(1)));
    assert_eq!(admin.wait, WaitTime::Exponential(millis(500)));
}

#[test]
fn a_scenario_lists_each_parameter_once() {
    let description = Scenario::description().unwrap();
    assert_eq!(description.name, "shop");
    assert_eq!(description.hosts, ["cdn.example.com"]);
    let parameters: Vec<_> = description
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.kind.as_str(), p.default.as_deref(), p.secret))
        .collect();
    assert_eq!(
        parameters,
        [
            ("password", "string", Some("secret"), true),
            ("items", "integer", Some("3"), false),
            ("currency", "choice:eur|usd", Some("eur"), false),
            ("discount", "number", Some(""), false),
            ("images", "url", None, false),
        ]
    );
    assert_eq!(description.parameters[0].help, "Password of the customers, the same for all");
}

#[test]
fn a_user_is_given_parameters_setup_data_and_its_own_identity() {
    let world =
        World::new().param("images", "http://img").param("items", 2).param("discount", "0.5");
    assert_eq!(world.setup::<Scenario>(), Ok("[1,2]".to_string()));
    world.user::<Shopper>();
    let mut second = world.user::<Shopper>();
    second.start().unwrap();
    second.run("look").unwrap();
    second.stop().unwrap();
    assert_eq!(second.log, ["1 secret 2 eur Some(0.5) http://img 1", "look", "stop"]);
}

#[test]
fn a_missing_or_wrong_parameter_ends_the_run_by_name() {
    let start = |world: World| world.setup_data(&[1]).user::<Shopper>().start().unwrap_err();
    let missing = start(World::new());
    assert_eq!(
        missing,
        Failure::AbortRun("parameter `images` has no value: give `--param images=…`".into())
    );
    let wrong = start(World::new().param("images", "x").param("items", "many"));
    assert!(wrong.message().starts_with("parameter `items`: `many` is no u32"), "{wrong}");
}

#[test]
fn setup_data_of_another_type_ends_the_run() {
    let world = World::new().param("images", "x");
    let nothing = world.user::<Shopper>().start().unwrap_err();
    assert!(nothing.message().contains("there is no setup data"), "{nothing}");
    let other = world.setup_data(&"text").user::<Shopper>().start().unwrap_err();
    assert!(other.message().contains("the setup data is no `alloc::vec::Vec<u32>`"), "{other}");
}

#[test]
fn a_failure_says_where_in_the_source() {
    let world = World::new();
    let mut user = world.user::<Shopper>();
    let failed = user.run("browse all").unwrap_err();
    let line = line!();
    assert!(
        failed.message().starts_with("nothing to see (") && failed.message().contains("users.rs:"),
        "{failed}"
    );
    assert!(matches!(failed, Failure::Failed(_)));
    assert!(user.run("leave").unwrap_err().message().contains("invalid digit"), "line {line}");
}

#[test]
fn a_user_of_a_stopping_run_stops_without_a_failure_of_its_own() {
    let world = World::new().param("images", "x").on("GET", "/admin", Reply::status(200));
    let mut admin = world.user::<Admin>();
    admin.run("work").unwrap();
    assert_eq!(world.sent()[0].header("authorization"), Some("Bearer secret"));
    world.stop();
    assert!(matches!(admin.run("work"), Err(Failure::StopUser(_))));
    assert!(matches!(sleep(secs(1.0)), Err(Failure::StopUser(_))));
}

#[test]
fn an_answer_can_be_judged_by_its_content() {
    let world = World::new().on("GET", "/a", Reply::status(503)).on(
        "GET",
        "/b",
        Reply::json(200, json!({ "ok": false })),
    );
    let a = get("/a").catch().unwrap();
    a.mark_succeeded();
    let b = get("/b").fetch().unwrap();
    if !b.json_at::<bool>("/ok").unwrap() {
        b.mark_failed("not ok");
    }
    let error = get("/b").expect_json("/ok", true).send().unwrap_err();
    assert_eq!(error.status(), Some(200));
    let failures: Vec<_> = world.sent().into_iter().map(|sent| sent.failure).collect();
    assert_eq!(failures, [None, Some("not ok".into()), Some("the body has not `/ok=true`".into())]);
    let missing = b.json_at::<u32>("/n").unwrap_err();
    assert_eq!(missing.to_string(), "GET /b: there is no JSON at `/n`");
}

#[test]
fn a_batch_answers_in_order_and_each_for_itself() {
    let world =
        World::new().on("GET", "/img/{n}", Reply::status(200)).on("GET", "/gone", Reply::timeout());
    let answers =
        batch([get("/img/{n}").with(1), get("/gone"), get("/img/{n}"), get("/img/{n}").with(2)]);
    let [first, gone, unfilled, last] = answers.as_slice() else { panic!("{answers:?}") };
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(gone.as_ref().unwrap_err().cause(), Cause::Timeout(_)));
    let text = unfilled.as_ref().unwrap_err().to_string();
    assert_eq!(text, "GET /img/{n}: not sent: `/img/{n}` takes 1 values by `.with(…)`, 0 given");
    assert_eq!(world.sent_to("GET", "/img/2").len(), 1);
    assert_eq!(fetch_all([get("/img/{n}").with(3)])[0].as_ref().unwrap().status(), 200);
}

#[test]
fn headers_bodies_and_places_reach_the_server_as_written() {
    let world =
        World::new().on_each("PUT", "/{a}/{b}", |sent| Reply::bytes(200, sent.body.clone()));
    let put = |body: &str| {
        let sent = put("/{a}/{b}?q={a}")
            .with("x/y")
            .with(7)
            .header("X-Id", 5)
            .header("X-Braces", "{no}")
            .text(body.to_string());
        sent.tag("kind", "test").fetch().unwrap().text()
    };
    assert_eq!(put("{not a place}"), "{not a place}");
    assert_eq!(put("second"), "second");
    let sent = &world.sent()[0];
    assert_eq!(sent.url, "/x%2Fy/7?q=x%2Fy");
    assert_eq!(sent.name, "/{a}/{b}?q={a}");
    assert_eq!((sent.header("x-id"), sent.header("x-braces")), (Some("5"), Some("{no}")));
    assert_eq!(sent.tags, [("kind".to_string(), "test".to_string())]);

    let form =
        Multipart::new().text("title", "Cat").file("image", "cat.png", "image/png", [0x89, 0xff]);
    request("PUT", "/{a}/{b}").with(1).with(2).multipart(form).send().unwrap();
    let sent = &world.sent()[2];
    assert!(sent.header("content-type").unwrap().starts_with("multipart/form-data; boundary="));
    assert!(sent.body.windows(2).any(|two| two == [0x89, 0xff]));
    assert_eq!((sent.url.as_str(), sent.name.as_str()), ("/1/2", "/{a}/{b}"));
}

#[test]
fn cookies_go_along_until_they_are_cleared() {
    let world = World::new()
        .on("POST", "/login", Reply::status(200).cookie("session=7; Path=/; HttpOnly"))
        .on("GET", "/", Reply::status(200));
    post("/login").send().unwrap();
    assert_eq!(cookie("/", "session").as_deref(), Some("7"));
    set_cookie("/", "theme=dark").unwrap();
    get("/").send().unwrap();
    assert_eq!(world.sent()[1].header("cookie"), Some("session=7; theme=dark"));
    assert!(set_cookie("/", "nonsense").is_err());
    clear_cookies();
    get("/").send().unwrap();
    assert_eq!(world.sent()[2].header("cookie"), None);
}

#[test]
fn groups_metrics_and_logs_are_kept() {
    let world = World::new().on("GET", "/", Reply::status(200).after(millis(20)));
    let answer = group("outer", || group("inner", || get("/").send())).unwrap();
    assert_eq!(world.sent()[0].group, "outer::inner");
    trend("time").tag("page", "home").add(answer.elapsed);
    counter("hits").add(2);
    counter("hits").add(1u64);
    rate("good").add(true);
    info!("took {:?}", answer.elapsed);
    assert_eq!(world.metric("time")[0].value, 20.0);
    assert_eq!(world.metric("time")[0].tags, [("page".to_string(), "home".to_string())]);
    assert_eq!(world.metric("hits").iter().map(|sample| sample.value).sum::<f64>(), 3.0);
    assert_eq!(world.metric("good")[0].value, 1.0);
    assert_eq!(world.logs()[0].1, "took 20ms");
    assert_eq!(elapsed(), millis(20));
}

#[test]
#[should_panic(expected = "metric `hits` is a Counter elsewhere and a Gauge here")]
fn one_name_for_two_kinds_of_metric_is_a_mistake() {
    let _world = World::new();
    counter("hits").add(1);
    gauge("hits").add(1);
}
