//! What the client does, where a table has too few columns for it.

use std::time::{Duration, Instant};

use loadhost_model::plan::{HttpSettings, Limits};

use super::super::{Body, Client, FailureKind, Keep, Template};
use super::server::{Server, Step, ok, pause, reply, send};
use super::{TIMEOUT, body, client, client_with, get, settings};

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn a_request_says_what_its_template_says() {
    let server = Server::of([reply(ok("")), reply(ok(""))].concat()).await;
    let mut template = Template::new("post", "/item/{id}?q={q}").unwrap();
    template.header("X-Trace", "t-{id}").unwrap();
    template.body(Body::Text(r#"{{"id": {id}, "by": "{who}"}}"#.to_string())).unwrap();
    assert_eq!(template.places(), ["id", "q", "who"]);
    assert_eq!(template.series_name(), "/item/{id}?q={q}");
    let values = ["7".to_string(), "a b".to_string(), "me".to_string()];
    let mut client = client(&server.url);
    // The futures are held by wasmtime's fibers, which ask for this.
    assert!(is_send(client.send(&template, &values, Keep::Summary)).await.ok());
    let expected = format!(
        "POST /item/7?q=a%20b HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: loadhost/0.1.0\r\n\
         Accept: */*\r\nX-Trace: t-7\r\nContent-Length: 21\r\n\r\n{{\"id\": 7, \"by\": \"me\"}}",
        server.port
    );
    assert_eq!(server.requests(), [expected]);
}

#[tokio::test]
async fn the_templates_own_headers_win() {
    let server = Server::of(reply(ok(""))).await;
    let settings = HttpSettings {
        headers: vec![("X-Run".into(), "1".into()), ("X-Both".into(), "run".into())],
        bearer: Some("secret".into()),
        ..settings()
    };
    let mut client = client_with(&server.url, &settings, &Limits::default());
    let mut template = Template::new("DELETE", "/").unwrap();
    for (name, value) in [("host", "other.test"), ("x-both", "own"), ("User-Agent", "mine")] {
        template.header(name, value).unwrap();
    }
    assert!(client.send(&template, &[], Keep::Summary).await.ok());
    assert_eq!(
        server.requests(),
        ["DELETE / HTTP/1.1\r\nX-Run: 1\r\nAccept: */*\r\nAuthorization: Bearer secret\r\n\
          host: other.test\r\nx-both: own\r\nUser-Agent: mine\r\n\r\n"]
    );
}

#[tokio::test]
async fn relative_urls_go_below_the_targets_path() {
    for (base, url, values, path) in [
        ("/api/", "/x", &[][..], "/api/x"),
        ("/api", "x", &[], "/api/x"),
        ("/api", "?q", &[], "/api?q"),
        ("/api", "", &[], "/api"),
        ("", "", &[], "/"),
        ("", "?q", &[], "/?q"),
        ("", "/a b/ü#fragment", &[], "/a%20b/%C3%BC"),
        ("/api", "{path}", &["/y/z?q=1"], "/api/y/z?q=1"),
        ("", "/{name}", &["../admin"], "/..%2Fadmin"),
    ] {
        let server = Server::of(reply(ok(""))).await;
        let mut client = client(&format!("{}{base}", server.url));
        let template = Template::new("GET", url).unwrap();
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        assert!(client.send(&template, &values, Keep::Summary).await.ok(), "{base} {url}");
        let request = server.requests().remove(0);
        assert_eq!(request.split(' ').nth(1), Some(path), "{base} {url}");
    }
}

#[tokio::test]
async fn a_place_can_be_the_whole_origin() {
    let server = Server::of([reply(ok("1")), reply(ok("2"))].concat()).await;
    let mut client = client(&server.url);
    let base = [format!("{}/v1", server.url), "7".to_string()];
    let template = Template::new("GET", "{base}/item/{id}").unwrap();
    assert!(client.send(&template, &base, Keep::Summary).await.ok());
    let template = Template::new("GET", "http://127.0.0.1:{port}/x").unwrap();
    let port = [server.port.to_string()];
    assert!(client.send(&template, &port, Keep::Summary).await.ok());
    let paths: Vec<_> =
        server.requests().iter().map(|text| text.split(' ').nth(1).unwrap().to_string()).collect();
    assert_eq!(paths, ["/v1/item/7", "/x"]);
    assert_eq!(server.connections(), [0, 0], "both are the same origin");
}

#[tokio::test]
async fn what_cannot_be_sent_is_denied_before_it_is_sent() {
    let server = Server::of(reply(ok(""))).await;
    let limits = Limits { request_body_bytes: 10, ..Limits::default() };
    let mut client = client_with(&server.url, &settings(), &limits);
    let mut header = Template::new("GET", "/").unwrap();
    header.header("X", "{x}").unwrap();
    let mut large = Template::new("POST", "/").unwrap();
    large.body(Body::Bytes(vec![0; 11])).unwrap();
    let mut braces = Template::new("POST", "/").unwrap();
    braces.body(Body::Text("{\"a\": 1}".to_string())).unwrap();
    let place = Template::new("GET", "/{x}").unwrap();
    let injected = ["a\r\nEvil: 1".to_string()];
    for (template, values, word) in [
        (&header, &injected[..], "control"),
        (&large, &[], "request_body_bytes"),
        (&braces, &[], "braces"),
        (&place, &[], "1 places"),
        (&Template::new("GET", "http://elsewhere.test/").unwrap(), &[], "allow list"),
    ] {
        let failure = client.send(template, values, Keep::Summary).await.result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
    }
    braces.set("raw-body", "true").unwrap();
    assert!(client.send(&braces, &[], Keep::Summary).await.ok());
    assert!(server.requests()[0].ends_with("{\"a\": 1}"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn expectations_decide_the_verdict() {
    let json = r#"{"ok":true,"items":[{"id":7}],"name":"x"}"#;
    let server = Server::of(vec![reply(ok(json)); 20].concat()).await;
    let mut client = client(&server.url);
    for (settings, verdict) in [
        (&[][..], Ok(())),
        (&[("expect-status", "200-299,404")], Ok(())),
        (&[("expect-status", "404")], Err("status 200, expected 404")),
        (&[("expect-contains", "\"id\":7")], Ok(())),
        (&[("expect-contains", "missing")], Err("body does not contain `missing`")),
        (&[("expect-json", "/ok=true"), ("expect-json", "/items/0/id=7")], Ok(())),
        (&[("expect-json", "/name=x")], Ok(())),
        (&[("expect-json", "/items/0")], Ok(())),
        (&[("expect-json", "/ok=false")], Err("JSON at `/ok` is not false")),
        (&[("expect-json", "/nothing")], Err("JSON has nothing at `/nothing`")),
    ] {
        let mut template = Template::new("GET", "/").unwrap();
        for (key, value) in settings {
            template.set(key, value).unwrap();
        }
        let answer = client.send(&template, &[], Keep::Summary).await.result.unwrap();
        assert_eq!(
            answer.verdict.as_ref().map_err(AsRef::as_ref),
            verdict.as_ref().map_err(|e| *e)
        );
        assert!(answer.kept.is_none(), "a summary keeps nothing");
        assert_eq!(answer.body_bytes, json.len() as u64);
    }
}

#[tokio::test]
async fn settings_are_checked_when_they_are_made() {
    let mut template = Template::new("GET", "/").unwrap();
    for (key, value) in [
        ("timeout", "soon"),
        ("timeout", "-1s"),
        ("timeout", "1e30s"),
        ("max-redirects", "few"),
        ("expect-status", "2xx"),
        ("expect-status", "300-200"),
        ("expect-json", "ok=true"),
        ("raw-body", "yes"),
        ("time-out", "5s"),
    ] {
        assert!(template.set(key, value).is_err(), "{key} = {value}");
    }
    for (name, value) in [("", "x"), ("a b", "x"), ("X", "a\r\nb"), ("Content-Length", "1")] {
        assert!(template.header(name, value).is_err(), "{name}: {value}");
    }
    assert!(template.header("X", "{").is_err() && template.header("X", "ok").is_ok());
    for (method, url) in
        [("GE T", "/"), ("", "/"), ("CONNECT", "/"), ("GET", "ftp://x/"), ("GET", "http://:80/")]
    {
        assert!(Template::new(method, url).is_err(), "{method} {url}");
    }
    let once = Template::once("GET", "/x{y}?q=1").unwrap();
    assert_eq!((once.series_name(), once.places().len()), ("/x{y}", 0));
}

#[tokio::test]
async fn a_long_body_is_cut_where_it_is_kept_but_counted_whole() {
    let text = "x".repeat(200_000);
    let server = Server::of([reply(ok(&text)), reply(ok("next"))].concat()).await;
    let limits = Limits { response_body_bytes: 1000, ..Limits::default() };
    let mut client = client_with(&server.url, &settings(), &limits);
    let exchange = get(&mut client, "/").await;
    assert_eq!(exchange.capped, Some("response_body_bytes"));
    let answer = exchange.result.as_ref().unwrap();
    let kept = answer.kept.as_ref().unwrap();
    assert_eq!((answer.body_bytes, kept.bytes().len(), kept.is_cut()), (200_000, 1000, true));
    assert!(exchange.bytes_received > 200_000);
    assert_eq!(body(&get(&mut client, "/").await), "next");
    assert_eq!(server.connections(), [0, 0], "the connection is at its next answer");
}

#[tokio::test]
async fn an_answer_can_be_looked_into() {
    let head = "HTTP/1.1 200 OK\r\nX-One: 1\r\nx-one: 2\r\nContent-Type: application/json\r\n";
    let server = Server::of(reply(format!("{head}Content-Length: 9\r\n\r\n{{\"a\":[1]}}"))).await;
    let mut client = client(&server.url);
    let exchange = get(&mut client, "/x").await;
    let kept = exchange.result.unwrap().kept.unwrap();
    assert_eq!(kept.url(), format!("{}/x", server.url));
    assert_eq!(kept.header("X-ONE").as_deref(), Some("1"));
    assert_eq!(kept.headers().len(), 4);
    assert_eq!(kept.json("/a/0").as_deref(), Some("1"));
    assert_eq!((kept.json("/b"), kept.header("Nothing")), (None, None));
    assert!(kept.contains("[1]") && !kept.is_cut());
}

#[tokio::test]
async fn each_step_of_the_time_is_told() {
    let slow =
        vec![Step::Read, pause(80), send(&ok("hello")[..30]), pause(60), send(&ok("hello")[30..])];
    let server = Server::of(slow).await;
    let exchange = get(&mut client(&server.url), "/").await;
    let t = exchange.timings;
    assert!(t.waiting >= Duration::from_millis(75) && t.waiting < TIMEOUT, "{t:?}");
    assert!(t.receiving >= Duration::from_millis(55), "{t:?}");
    assert!(t.connect > Duration::ZERO && t.new_connections == 1, "{t:?}");
    assert_eq!(t.dns, Duration::ZERO, "an address is not looked up");
    assert!(t.total >= t.service() + t.connect, "{t:?}");
    assert_eq!(exchange.bytes_received, ok("hello").len() as u64);
    assert_eq!(exchange.bytes_sent, server.requests()[0].len() as u64);
}

#[tokio::test]
async fn time_limits_end_what_they_are_named_for() {
    let server = Server::of(vec![Step::Read]).await;
    let mut client = client(&server.url);
    for (key, message) in [
        ("timeout", "no answer within the timeout"),
        ("first-byte-timeout", "no answer within first_byte_timeout"),
    ] {
        let mut template = Template::new("GET", "/").unwrap();
        template.set(key, "60ms").unwrap();
        let begun = Instant::now();
        let exchange = client.send(&template, &[], Keep::Summary).await;
        let failure = exchange.result.unwrap_err();
        assert_eq!((failure.kind, &*failure.message), (FailureKind::Timeout, message));
        assert!(begun.elapsed() < TIMEOUT && exchange.timings.total >= Duration::from_millis(60));
    }
    assert_eq!(
        server.connections(),
        [0, 1],
        "a connection with an answer to come is not used again"
    );
}

#[tokio::test]
async fn an_endless_body_ends_at_the_timeout() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_string();
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let flood = Step::Flood(chunk.into_bytes());
    let server = Server::of(vec![Step::Read, send(head), flood]).await;
    let mut template = Template::new("GET", "/").unwrap();
    template.set("timeout", "100ms").unwrap();
    let exchange = client(&server.url).send(&template, &[], Keep::Response).await;
    assert_eq!(exchange.result.unwrap_err().kind, FailureKind::Timeout);
    assert!(exchange.timings.total < TIMEOUT);
}

#[tokio::test]
async fn a_large_body_is_sent_while_the_answer_is_read() {
    // More than the buffers of both sockets, so that the client must wait and go on.
    let size = 8 << 20;
    let early = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig";
    let server = Server::start(vec![reply(ok("took it")), vec![Step::ReadHead, send(early)]]).await;
    let limits = Limits { request_body_bytes: size, ..Limits::default() };
    let settings =
        HttpSettings { timeout: Duration::from_secs(20), keep_alive: false, ..settings() };
    let mut client = client_with(&server.url, &settings, &limits);
    let mut template = Template::new("PUT", "/").unwrap();
    template.body(Body::Bytes(vec![b'x'; usize::try_from(size).unwrap()])).unwrap();
    let exchange = client.send(&template, &[], Keep::Response).await;
    assert_eq!(body(&exchange), "took it");
    assert!(exchange.bytes_sent > size);
    let exchange = client.send(&template, &[], Keep::Response).await;
    assert_eq!((exchange.status(), body(&exchange)), (413, "big".to_string()));
}

#[tokio::test]
async fn a_body_is_held_back_until_the_server_agrees() {
    let refusal = "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(vec![
        vec![Step::ReadHead, send(refusal)],
        // Says nothing to the question, and gets the body after a second.
        vec![Step::ReadHead, Step::ReadExactly(4), send(ok("took it"))],
    ])
    .await;
    let mut client = client_with(
        &server.url,
        &HttpSettings { timeout: Duration::from_secs(10), ..settings() },
        &Limits::default(),
    );
    let mut template = Template::new("POST", "/").unwrap();
    template.header("Expect", "100-continue").unwrap();
    template.body(Body::Text("body".to_string())).unwrap();
    let refused = client.send(&template, &[], Keep::Response).await;
    assert_eq!(refused.status(), 417);
    assert!(!server.requests()[0].contains("body"));
    assert_eq!(body(&client.send(&template, &[], Keep::Response).await), "took it");
    assert_eq!(server.connections(), [0, 1], "the first connection still expects a body");
}

#[tokio::test]
async fn several_requests_go_at_once_up_to_the_limit() {
    let server = Server::of(vec![vec![Step::Read, pause(100), send(ok("x"))]; 4].concat()).await;
    let limits = Limits { connections: 3, batch: 8, ..Limits::default() };
    let mut client = client_with(&server.url, &settings(), &limits);
    let template = Template::new("GET", "/{n}").unwrap();
    let values: Vec<[String; 1]> = (0..6).map(|n| [n.to_string()]).collect();
    let requests: Vec<(&Template, &[String])> =
        values.iter().map(|v| (&template, &v[..])).collect();
    let begun = Instant::now();
    let exchanges = is_send(client.send_many(&requests, Keep::Response)).await;
    assert!(exchanges.iter().all(super::super::Exchange::ok));
    for (n, exchange) in exchanges.iter().enumerate() {
        let kept = exchange.result.as_ref().unwrap().kept.as_ref().unwrap();
        assert!(kept.url().ends_with(&format!("/{n}")), "answers in the order of requests");
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(195), "three at once, so two rounds: {took:?}");
    assert_eq!(server.connections().iter().max(), Some(&2), "three connections");
    let many: Vec<(&Template, &[String])> = vec![(&template, &values[0][..]); 9];
    let refused = client.send_many(&many, Keep::Summary).await;
    assert_eq!(refused.len(), 9);
    assert!(refused.iter().all(|exchange| exchange.capped == Some("batch")));
}

#[tokio::test]
async fn a_request_that_is_dropped_leaves_a_usable_client() {
    let server = Server::start(vec![vec![Step::Read], reply(ok("second"))]).await;
    let mut client = client(&server.url);
    let dropped = tokio::time::timeout(Duration::from_millis(50), get(&mut client, "/")).await;
    assert!(dropped.is_err());
    assert_eq!(body(&get(&mut client, "/").await), "second");
}

#[tokio::test]
async fn without_keep_alive_each_request_has_its_connection() {
    let server = Server::of(reply(ok("hi"))).await;
    let settings = HttpSettings { keep_alive: false, ..settings() };
    let mut client = client_with(&server.url, &settings, &Limits::default());
    for _ in 0..3 {
        assert_eq!(body(&get(&mut client, "/").await), "hi");
    }
    assert_eq!(server.connections(), [0, 1, 2]);
    assert!(server.requests()[0].contains("Connection: close\r\n"));
}

#[tokio::test]
async fn a_repeated_request_is_counted_with_all_its_bytes() {
    let hangs_up = vec![Step::Read, send(ok("1")), Step::Read, Step::Close];
    let server = Server::start(vec![hangs_up, reply(ok("2"))]).await;
    let mut client = client(&server.url);
    let first = get(&mut client, "/").await;
    let second = get(&mut client, "/").await;
    assert_eq!(body(&second), "2");
    assert_eq!(second.bytes_sent, 2 * first.bytes_sent);
    assert_eq!((second.timings.new_connections, server.requests().len()), (1, 3));
}

#[tokio::test]
async fn a_server_that_always_hangs_up_is_not_asked_for_ever() {
    let server = Server::start(vec![reply(ok("1")), vec![Step::Read, Step::Close]]).await;
    let mut client: Client = client(&server.url);
    assert!(get(&mut client, "/").await.ok());
    client.close_idle();
    let exchange = get(&mut client, "/").await;
    assert_eq!(exchange.result.unwrap_err().kind, FailureKind::Protocol);
    assert_eq!(server.requests().len(), 2, "a new connection that fails is not repeated");
}

#[tokio::test]
async fn a_user_that_waits_holds_little() {
    let mut client = client("http://127.0.0.1:1");
    let template = Template::new("GET", "/").unwrap();
    let idle = size_of::<Client>() + size_of::<super::super::connection::Connection>();
    let waiting = size_of_val(&client.send(&template, &[], Keep::Summary));
    // The future is moved and allocated once per request by who calls from a guest.
    assert!(idle <= 160 && waiting <= 800, "idle {idle}, waiting {waiting} bytes");
}
