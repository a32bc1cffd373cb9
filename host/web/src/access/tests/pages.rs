//! What pages of other sites can do, which is nothing.

use super::*;

const FOREIGN: &[&str] = &[
    "sec-fetch-site: cross-site\r\n",
    "sec-fetch-site: same-site\r\n",
    "origin: http://evil.example\r\n",
    "origin: http://localhost:3000\r\n",
    "origin: null\r\n",
    "sec-fetch-site: cross-site\r\norigin: http://localhost\r\n",
];
const OWN: &[&str] = &["sec-fetch-site: same-origin\r\n", "origin: http://localhost\r\n"];

#[tokio::test]
async fn pages_of_others_change_nothing_with_or_without_a_login() {
    let fleet = fleet();
    let guarded = served(fleet.access()).await;
    let open = served(Access::open(Reach::ThisMachine, Wire::Plain)).await;
    let anywhere = served(Access::open(Reach::Anyone, Wire::Plain)).await;
    let cookie = format!("cookie: {}\r\n", guarded.log_in("ada", PASSWORD).await);
    let bearer = format!("authorization: Bearer {}\r\n", fleet.token(Role::Admin));
    for (method, path) in [
        ("POST", "/api/v1/runs"),
        ("DELETE", "/api/v1/workers/w1/drain"),
        ("GET", "/stop"),
        ("POST", "/stop"),
    ] {
        for foreign in FOREIGN {
            for (served, lines) in [(&guarded, &*cookie), (&open, ""), (&anywhere, "")] {
                let found = served.ask(method, path, &format!("{lines}{foreign}"), "").await;
                let found = (found.status, found.code());
                assert_eq!(
                    found,
                    (403, "foreign-page".into()),
                    "{method} {path} {lines} {foreign}"
                );
            }
            // Browsers never send a token unasked.
            let found = guarded.ask(method, path, &format!("{bearer}{foreign}"), "").await;
            assert_eq!(found.status, 200, "{method} {path} {foreign}");
        }
        for own in OWN {
            for (served, lines) in [(&guarded, &*cookie), (&open, ""), (&anywhere, "")] {
                let found = served.ask(method, path, &format!("{lines}{own}"), "").await;
                assert_eq!(found.status, 200, "{method} {path} {lines} {own}");
            }
        }
        // A cookie without a word where it comes from is no browser's; `curl` has tokens.
        assert_eq!(guarded.ask(method, path, &cookie, "").await.status, 403, "{method} {path}");
        assert_eq!(open.ask(method, path, "", "").await.status, 200, "{method} {path}");
    }
    // Nobody is logged in or out by another page.
    let kind = "content-type: application/json\r\n";
    let (_, body) = json_body(&json!({"user": "ada", "password": PASSWORD}));
    for foreign in FOREIGN {
        let lines = format!("{kind}{foreign}");
        assert_eq!(guarded.ask("POST", "/api/v1/session", &lines, &body).await.status, 403);
        let lines = format!("{cookie}{foreign}");
        assert_eq!(guarded.ask("DELETE", "/api/v1/session", &lines, "").await.status, 403);
    }
}

#[tokio::test]
async fn what_forms_can_send_is_not_taken_by_the_api() {
    let open = served(Access::open(Reach::ThisMachine, Wire::Plain)).await;
    for (kind, status) in [
        ("text/plain", 415),
        ("Text/Plain; charset=utf-8", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json", 200),
        ("application/wasm", 200),
        ("multipart/form-data; boundary=x", 200),
    ] {
        let lines = format!("content-type: {kind}\r\n");
        let found = open.ask("POST", "/api/v1/runs", &lines, "{}").await;
        assert_eq!(found.status, status, "{kind}");
        // Locust's endpoints are made for forms.
        assert_eq!(open.ask("POST", "/stop", &lines, "").await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn a_name_that_somebody_lets_point_here_is_not_answered() {
    let rebound = "host: evil.example:8089\r\n";
    let open = served(Access::open(Reach::ThisMachine, Wire::Plain)).await;
    for path in ["/", "/health", "/api/v1/runs"] {
        let found = open.ask("GET", path, rebound, "").await;
        assert_eq!((found.status, found.code()), (421, "foreign-host".into()), "{path}");
    }
    // A proxy on this machine, behind which one logs in.
    let guarded = served(fleet().access()).await;
    assert_eq!(guarded.ask("GET", "/", rebound, "").await.status, 200);
    assert_eq!(guarded.ask("GET", "/api/v1/runs", rebound, "").await.status, 401);
    let anywhere = served(Access::open(Reach::Anyone, Wire::Plain)).await;
    assert_eq!(anywhere.ask("GET", "/api/v1/runs", rebound, "").await.status, 200);
}

#[tokio::test]
async fn each_answer_tells_the_browser_to_be_strict() {
    let served = served(fleet().access()).await;
    for path in ["/", "/health", "/api/v1/runs", "/nothing"] {
        let found = served.ask("GET", path, "", "").await;
        for (name, part) in [
            ("content-security-policy", "default-src 'none'; script-src 'self'; style-src 'self'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", "camera=()"),
        ] {
            let value = found.header(name).unwrap_or_default();
            assert!(value.contains(part), "{path} {name}: {value}");
        }
        assert_eq!(found.header("strict-transport-security"), None, "not without TLS");
        assert_eq!(found.header("access-control-allow-origin"), None);
        let kept = found.header("cache-control");
        assert_eq!(kept, path.starts_with("/api/").then_some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn a_document_with_a_policy_of_its_own_keeps_it() {
    use axum::http::header;
    let own = async || ([(header::CONTENT_SECURITY_POLICY, "sandbox")], "report");
    let access = Access::open(Reach::ThisMachine, Wire::Plain);
    let app = guard(Router::new().route("/report.html", get(own)), access);
    let served = Served::new(app, Doors::default()).await;
    let found = served.ask("GET", "/report.html", "", "").await;
    assert_eq!(found.header("content-security-policy"), Some("sandbox"));
}
