//! Redirects: what stays with a request and what stays behind; and cookies by the way.

use loadhost_model::plan::{HttpSettings, Limits};

use super::super::{Body, FailureKind, Grants, Keep, Shared, Template};
use super::server::{Server, Step, ok, reply, send};
use super::{body, client, client_with, get, settings};

fn to(status: u16, location: &str) -> Vec<Step> {
    reply(format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
}

#[tokio::test]
async fn methods_are_rewritten_as_browsers_do() {
    for (status, method, expected) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "DELETE", "DELETE"),
    ] {
        let there = vec![
            Step::Read,
            send(if method == "HEAD" {
                "HTTP/1.1 200 OK\r\n\r\n"
            } else {
                "HTTP/1.1 204 x\r\n\r\n"
            }),
        ];
        let server = Server::of([to(status, "/there"), there].concat()).await;
        let mut template = Template::new(method, "/").unwrap();
        template.header("Content-Type", "text/plain").unwrap();
        if method != "HEAD" {
            template.body(Body::Text("body".to_string())).unwrap();
        }
        let exchange = client(&server.url).send(&template, &[], Keep::Summary).await;
        assert!(exchange.ok() && exchange.redirects == 1, "{status} {method}: {exchange:?}");
        let second = server.requests().remove(1);
        assert!(second.starts_with(&format!("{expected} /there ")), "{status} {method}: {second}");
        let keeps_body = expected == method && method != "HEAD";
        assert_eq!(second.ends_with("body"), keeps_body, "{status} {method}: {second}");
        assert_eq!(
            second.contains("Content-Type"),
            expected == method,
            "{status} {method}: {second}"
        );
    }
}

#[tokio::test]
async fn credentials_stay_behind_when_the_origin_changes() {
    let other = Server::of(reply(ok("other"))).await;
    let location = format!("http://user:pw@127.0.0.1:{}/x?y#z", other.port);
    let server = Server::of([to(302, "/same"), to(302, &location)].concat()).await;
    let settings = HttpSettings { basic_auth: Some(("u".into(), "p".into())), ..settings() };
    let mut client = client_with(&server.url, &settings, &Limits::default());
    let mut template = Template::new("GET", "/").unwrap();
    for (name, value) in [("Cookie", "a=1"), ("X-Stays", "1"), ("Proxy-Authorization", "x")] {
        template.header(name, value).unwrap();
    }
    let exchange = client.send(&template, &[], Keep::Response).await;
    let kept = exchange.result.as_ref().unwrap().kept.as_ref().unwrap();
    assert_eq!(kept.url(), format!("http://127.0.0.1:{}/x?y", other.port));
    for request in server.requests() {
        assert!(request.contains("Authorization: Basic dTpw") && request.contains("Cookie: a=1"));
    }
    let foreign = other.requests().remove(0);
    assert!(!foreign.contains("uthorization") && !foreign.contains("Cookie"), "{foreign}");
    assert!(
        foreign.contains("X-Stays") && foreign.contains(&format!("Host: 127.0.0.1:{}", other.port))
    );
}

#[tokio::test]
async fn a_redirect_leads_nowhere_that_is_forbidden() {
    for (location, word) in [
        ("http://169.254.169.254/latest/meta-data", "allow list"),
        ("http://elsewhere.test/", "allow list"),
        ("file:///etc/passwd", "scheme `file`"),
        ("ftp://127.0.0.1/", "scheme `ftp`"),
    ] {
        let server = Server::of(to(302, location)).await;
        let failure = get(&mut client(&server.url), "/").await.result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Denied);
        assert!(failure.message.contains(word), "{failure}");
    }
}

#[tokio::test]
async fn the_limit_of_redirects_is_kept() {
    let server = Server::of([to(302, "/1"), to(302, "/2"), reply(ok("end"))].concat()).await;
    let settings = HttpSettings { max_redirects: 1, ..settings() };
    let mut client = client_with(&server.url, &settings, &Limits::default());
    let exchange = get(&mut client, "/").await;
    assert_eq!(body(&exchange), "other: too many redirects");
    let server = Server::of(to(302, "/1")).await;
    let mut template = Template::new("GET", "/").unwrap();
    template.set("max-redirects", "0").unwrap();
    let exchange = super::client(&server.url).send(&template, &[], Keep::Summary).await;
    assert_eq!(
        (exchange.status(), exchange.ok()),
        (302, true),
        "not followed, so it is the answer"
    );
}

#[tokio::test]
async fn a_login_that_redirects_keeps_its_session() {
    let login = "HTTP/1.1 303 See Other\r\nSet-Cookie: session=abc; HttpOnly; Path=/\r\n\
                 Set-Cookie: theme=dark; Path=/shop\r\nLocation: /shop/items\r\nContent-Length: 0\r\n\r\n";
    let server = Server::of([reply(login), reply(ok("items")), reply(ok("home"))].concat()).await;
    let mut client = client(&server.url);
    let mut template = Template::new("POST", "/login").unwrap();
    template.body(Body::Text("user=me".to_string())).unwrap();
    assert_eq!(body(&client.send(&template, &[], Keep::Response).await), "items");
    assert_eq!(body(&get(&mut client, "/").await), "home");
    let requests = server.requests();
    assert!(!requests[0].contains("Cookie"));
    assert!(requests[1].contains("Cookie: theme=dark; session=abc\r\n"), "{}", requests[1]);
    assert!(requests[2].contains("Cookie: session=abc\r\n"), "{}", requests[2]);
    assert_eq!(client.cookie("/shop", "theme").as_deref(), Some("dark"));
    assert_eq!(client.cookie("/", "theme"), None);
    client.set_cookie("/", "extra=1").unwrap();
    assert_eq!(client.cookie("/", "extra").as_deref(), Some("1"));
    client.clear_cookies();
    assert_eq!(client.cookie("/", "session"), None);
}

#[tokio::test]
async fn the_policy_sees_the_address_behind_a_name() {
    // `localhost` resolves to loopback, which belongs to the target or to nobody.
    let server = Server::of(reply(ok("hi"))).await;
    let url = format!("http://localhost:{}/", server.port);
    for (private, allowed) in [(false, false), (true, true)] {
        let settings = HttpSettings { allow_hosts: vec!["localhost".into()], ..settings() };
        let grants = Grants { private, ..Grants::default() };
        let target = Some("http://shop.test/");
        let shared = Shared::new(&settings, target, &Limits::default(), &grants).unwrap();
        let exchange = get(&mut super::Client::new(shared), &url).await;
        assert_eq!(exchange.ok(), allowed, "{exchange:?}");
    }
    assert_eq!(body(&get(&mut client(&url), "/").await), "hi", "as target it needs no grant");
}
