#![allow(clippy::unwrap_used, clippy::expect_used)]
//! The door over real connections.

mod client;
mod doors;
mod every_route;
mod pages;
mod proxies;

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use proptest::prelude::*;
use serde_json::json;

use super::users::tests::{Written, written};
use super::*;
use client::{Served, json_body, to_its_end};

const PASSWORD: &str = "correct horse";

/// A users file with one user and one token of each role.
struct Fleet {
    file: Written,
    tokens: Vec<(Role, String)>,
}

fn fleet() -> Fleet {
    let file = written(&[
        ("victor", Role::View, PASSWORD),
        ("olga", Role::Operate, PASSWORD),
        ("ada", Role::Admin, PASSWORD),
    ]);
    let mut users = UserFile::open(&file.path).unwrap();
    let tokens = Role::ALL.map(|role| (role, users.add_token(role.as_str(), role, None).unwrap()));
    users.save().unwrap();
    Fleet { file, tokens: tokens.into() }
}

impl Fleet {
    fn access(&self) -> Access {
        self.access_at(&BasePath::default(), Wire::Plain)
    }

    fn access_at(&self, base: &BasePath, wire: Wire) -> Access {
        let users = Users::open(&self.file.path).unwrap();
        Access::guarded(users, Reach::ThisMachine, wire, base).unwrap()
    }

    fn token(&self, role: Role) -> &str {
        &self.tokens.iter().find(|(other, _)| *other == role).unwrap().1
    }
}

fn about() -> About {
    About { version: "1.2.3".into(), cluster: "default".into(), single_run: false }
}

/// Routes as the page and the API have them. Whoever forgot to ask for a role has `/forgotten`.
fn routes(access: &Access) -> Router {
    let drain = async |Admin(_): Admin| "drained";
    let router = Router::new()
        .route("/", get(async || "the page"))
        .route("/assets/{*path}", get(async || "code"))
        .route("/health", get(async || "alive"))
        .route("/metrics", get(async || "numbers"))
        .route("/stop", get(async || "stopped").post(async || "stopped"))
        .route(
            "/api/v1/runs",
            get(async |View(_): View| "runs").post(async |Operate(_): Operate| "run"),
        )
        .route("/api/v1/plans", post(async |View(_): View| "plan"))
        .route("/api/v1/live", get(endless))
        .route("/api/v1/forgotten", get(async || "seen").post(async || "done"))
        .route("/api/v1/strict", get(async |Admin(who): Admin| who.name.to_string()))
        .route("/api/v1/workers/{worker}/drain", post(drain).delete(drain))
        .merge(session_routes(access.clone(), about()));
    guard(router, access.clone())
}

/// Says one word, and never ends.
async fn endless() -> ([(&'static str, &'static str); 1], Body) {
    let word = stream::once(async { Ok::<_, Infallible>("hello") });
    ([("content-type", "text/event-stream")], Body::from_stream(word.chain(stream::pending())))
}

async fn served(access: Access) -> Served {
    Served::new(routes(&access), Doors::default()).await
}

#[tokio::test]
async fn each_route_asks_for_its_role_by_token_and_by_session() {
    let fleet = fleet();
    let served = served(fleet.access()).await;
    let sessions = [
        (Role::View, served.log_in("victor", PASSWORD).await),
        (Role::Operate, served.log_in("olga", PASSWORD).await),
        (Role::Admin, served.log_in("ada", PASSWORD).await),
    ];
    let table: &[(&str, &str, Option<Role>)] = &[
        ("GET", "/", None),
        ("HEAD", "/", None),
        ("GET", "/assets/app.js", None),
        ("GET", "/health", None),
        ("GET", "/api/v1/session", None),
        ("GET", "/metrics", Some(Role::View)),
        ("GET", "/api/v1/runs", Some(Role::View)),
        ("HEAD", "/api/v1/runs", Some(Role::View)),
        ("POST", "/api/v1/runs", Some(Role::Operate)),
        ("POST", "/api/v1/plans", Some(Role::View)),
        ("GET", "/api/v1/forgotten", Some(Role::View)),
        ("POST", "/api/v1/forgotten", Some(Role::Operate)),
        ("GET", "/api/v1/strict", Some(Role::Admin)),
        ("POST", "/api/v1/workers/w1/drain", Some(Role::Admin)),
        ("DELETE", "/api/v1/workers/w1/drain", Some(Role::Admin)),
        ("GET", "/stop", Some(Role::Operate)),
        ("HEAD", "/stop", Some(Role::Operate)),
        ("POST", "/stop", Some(Role::Operate)),
    ];
    for (method, path, needed) in table {
        let nobody = served.ask(method, path, "", "").await;
        assert_eq!(nobody.status, if needed.is_none() { 200 } else { 401 }, "{method} {path}");
        for (role, cookie) in &sessions {
            let expected = if needed.is_none_or(|needed| *role >= needed) { 200 } else { 403 };
            let by_token = format!("authorization: Bearer {}\r\n", fleet.token(*role));
            let found = served.ask(method, path, &by_token, "").await;
            assert_eq!(found.status, expected, "{method} {path} with a token of {role}");
            let by_session = format!("cookie: {cookie}\r\nsec-fetch-site: same-origin\r\n");
            let found = served.ask(method, path, &by_session, "").await;
            assert_eq!(found.status, expected, "{method} {path} in a session of {role}");
        }
    }
    let unknown = served.ask("GET", "/api/v1/nothing", "", "").await;
    assert_eq!(unknown.status, 401, "who is not logged in learns nothing, not even what is there");
}

#[tokio::test]
async fn a_stream_ends_with_the_session_or_the_token_that_opened_it() {
    let fleet = fleet();
    let served = served(fleet.access()).await;
    let by_session = async |user| format!("cookie: {}\r\n", served.log_in(user, PASSWORD).await);
    let [gone, stays] = [by_session("victor").await, by_session("olga").await];
    let token = format!("authorization: Bearer {}\r\n", fleet.token(Role::View));
    let [mut gone, mut token, mut stays] =
        [served.follow(&gone).await, served.follow(&token).await, served.follow(&stays).await];
    let mut users = UserFile::open(&fleet.file.path).unwrap();
    users.remove("victor").unwrap();
    users.remove_token(Role::View.as_str()).unwrap();
    users.save().unwrap();
    let ended = async { tokio::join!(to_its_end(&mut gone), to_its_end(&mut token)) };
    tokio::select! {
        _ = ended => {}
        () = to_its_end(&mut stays) => panic!("the stream of a session that goes on has ended"),
    }
}

#[tokio::test]
async fn tokens_that_are_not_ours_are_refused_also_beside_a_good_cookie() {
    let fleet = fleet();
    let served = served(fleet.access()).await;
    let cookie = served.log_in("ada", PASSWORD).await;
    let good = fleet.token(Role::Admin);
    for wrong in [
        "Bearer lh_nonsense".into(),
        "Bearer".into(),
        "Bearer ".into(),
        "Basic YWRhOmNvcnJlY3QgaG9yc2U=".into(),
        format!("Bearer {}", &good[..good.len() - 1]),
        format!("Bearer {good}x"),
        good.to_string(),
    ] {
        let lines = format!("authorization: {wrong}\r\ncookie: {cookie}\r\n");
        let found = served.ask("GET", "/api/v1/runs", &lines, "").await;
        assert_eq!((found.status, found.code()), (401, "unknown-token".into()), "{wrong}");
    }
    let lower = format!("authorization: bearer {good}\r\n");
    assert_eq!(served.ask("GET", "/api/v1/runs", &lower, "").await.status, 200);
}

#[tokio::test]
async fn one_logs_in_looks_who_one_is_and_logs_out() {
    let fleet = fleet();
    let served = served(fleet.access()).await;
    let before = served.ask("GET", "/api/v1/session", "", "").await;
    assert_eq!(before.json(), json!({"login_required": true, "user": null, "role": null}));
    let cookie = served.log_in("olga", PASSWORD).await;
    let line = format!("cookie: {cookie}\r\n");
    let who = served.ask("GET", "/api/v1/session", &line, "").await;
    let expected = json!({"login_required": true, "user": "olga", "role": "operate",
        "version": "1.2.3", "cluster": "default", "single_run": false});
    assert_eq!(who.json(), expected);
    assert_eq!(who.header("cache-control"), Some("no-store"));
    let line = format!("{line}sec-fetch-site: same-origin\r\n");
    let out = served.ask("DELETE", "/api/v1/session", &line, "").await;
    assert_eq!((out.status, out.json()), (200, before.json()));
    let set = out.header("set-cookie").unwrap();
    assert!(set.starts_with("loadhost-session=;") && set.ends_with("Max-Age=0"), "{set}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_told_alike() {
    let fleet = fleet();
    let served = served(fleet.access()).await;
    let wrong = served.try_log_in("olga", "correct horsf", "").await;
    let unknown = served.try_log_in("nobody", PASSWORD, "").await;
    assert_eq!((wrong.status, wrong.code()), (401, "wrong-login".into()));
    assert_eq!((unknown.status, &unknown.body), (401, &wrong.body));
    assert_eq!(wrong.header("set-cookie"), None);
    for body in [
        "{}",
        "[]",
        "{\"user\": \"olga\"}",
        "secret-by-mistake",
        "{\"user\":\"olga\",\"password\":1}",
    ] {
        let found =
            served.ask("POST", "/api/v1/session", "content-type: application/json\r\n", body).await;
        assert_eq!(found.status, 400, "{body}");
        assert!(!found.body.contains("secret-by-mistake"), "{}", found.body);
    }
    let endless = json!({"user": "olga", "password": "x".repeat(10_000)}).to_string();
    let found =
        served.ask("POST", "/api/v1/session", "content-type: application/json\r\n", &endless).await;
    assert_eq!(found.status, 413);
}

#[tokio::test]
async fn who_guesses_passwords_has_to_wait_and_is_told_how_long() {
    let fleet = fleet();
    let served = served(fleet.access()).await;
    let mut last = served.try_log_in("ada", "wrong password", "").await;
    for _ in 0..12 {
        last = served.try_log_in("ada", "wrong password", "").await;
    }
    assert_eq!((last.status, last.code()), (429, "too-many-attempts".into()));
    let seconds: u64 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(served.try_log_in("ada", PASSWORD, "").await.status, 429, "also with the right one");
    assert_eq!(
        served.try_log_in("olga", PASSWORD, "").await.status,
        200,
        "others are not kept out"
    );
}

#[tokio::test]
async fn another_password_ends_a_session_on_every_master() {
    let fleet = fleet();
    let (one, two) = (served(fleet.access()).await, served(fleet.access()).await);
    let cookie = format!("cookie: {}\r\n", one.log_in("olga", PASSWORD).await);
    assert_eq!(two.ask("GET", "/api/v1/runs", &cookie, "").await.status, 200);
    fleet.file.changed(|users| users.set_password("olga", "another horse").unwrap());
    for served in [one, two] {
        served.eventually("GET", "/api/v1/runs", &cookie, 401).await;
    }
}

fn pair() -> impl Strategy<Value = (String, String)> {
    let names = prop_oneof![
        Just("cookie"),
        Just("authorization"),
        Just("origin"),
        Just("host"),
        Just("sec-fetch-site"),
        Just("content-type")
    ];
    let values = prop_oneof![
        any::<String>(),
        "Bearer [ -~]{0,60}",
        "loadhost-session=[ -~]{0,80}",
        "loadhost-session=[a-zA-Z0-9_-]{43}\\.[0-9]{1,20}\\.[a-zA-Z0-9_-]{16}\\.[a-z]{0,8}",
    ];
    (names.prop_map(String::from), values)
}

proptest! {
    #[test]
    fn arbitrary_headers_let_nobody_in_and_break_nothing(lines in prop::collection::vec(pair(), 0..8)) {
        let access = fixed();
        let mut headers = axum::http::HeaderMap::new();
        for (name, value) in &lines {
            if let Ok(value) = axum::http::HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(name.parse::<axum::http::HeaderName>().unwrap(), value);
            }
        }
        for wire in [Wire::Plain, Wire::Encrypted] {
            let found = access.identify(&headers, wire, jiff::Timestamp::now());
            prop_assert!(!matches!(found, Ok(Some(_))), "{found:?}");
            let _ = (origin::origin(&headers, wire), origin::names_this_machine(&headers));
        }
    }
}

/// One for all cases: hashing takes its time.
fn fixed() -> &'static Access {
    static FIXED: std::sync::OnceLock<(Fleet, Access)> = std::sync::OnceLock::new();
    &FIXED
        .get_or_init(|| {
            let fleet = fleet();
            let access = fleet.access();
            (fleet, access)
        })
        .1
}

#[tokio::test]
async fn without_a_login_everybody_on_this_machine_may_do_everything() {
    let served = served(Access::open(Reach::ThisMachine, Wire::Plain)).await;
    let who = served.ask("GET", "/api/v1/session", "", "").await.json();
    assert_eq!(
        (&who["login_required"], &who["user"], &who["role"]),
        (&json!(false), &json!(null), &json!("admin"))
    );
    // What a client of a fleet with a login may still send.
    let token = "authorization: Bearer lh_nonsense\r\ncookie: loadhost-session=nonsense\r\n";
    assert_eq!(served.ask("POST", "/api/v1/workers/w1/drain", token, "").await.status, 200);
    assert_eq!(served.ask("GET", "/api/v1/strict", "", "").await.body, "anybody");
    let login = json_body(&json!({"user": "a", "password": "b"}));
    let found = served.ask("POST", "/api/v1/session", &login.0, &login.1).await;
    assert_eq!((found.status, found.code()), (409, "no-login".into()));
}
