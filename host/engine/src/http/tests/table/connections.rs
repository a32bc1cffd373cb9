//! What becomes of a connection after an answer, and redirects.

use super::super::oracle::Outcome;
use super::super::server::{Step, ok, pause, reply, send};
use super::{Case, answer, answered, case, chunked, with_headers};

pub(super) fn connections() -> Vec<Case> {
    let twice = |answer: &str| [reply(answer), reply(answer)].concat();
    let refuse =
        || vec![Step::Read, send("HTTP/1.1 500 wrong connection\r\nContent-Length: 0\r\n\r\n")];
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    vec![
        case("two requests on one connection", twice(&ok("hi"))).then(refuse()).again().gives(200, "hi").gives(200, "hi"),
        case("Connection: close", vec![Step::Read, send(with_headers("Connection: close\r\nContent-Length: 2", "hi"))])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second"),
        case("close among other tokens", vec![Step::Read, send(with_headers("Connection: Keep-Alive, Close\r\nContent-Length: 2", "hi"))])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second"),
        case("HTTP/1.0 closes by default", vec![Step::Read, send(old)])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second"),
        case("HTTP/1.0 with keep-alive", twice("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"))
            .then(refuse()).again().gives(200, "hi").gives(200, "hi"),
        case("HTTP/1.0 without a length", vec![Step::Read, send("HTTP/1.0 200 OK\r\n\r\nhi"), Step::Close])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second"),
        case("an idle connection that the server closes", vec![Step::Read, send(ok("hi")), Step::Close])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second"),
        case("an idle connection that the server resets", vec![Step::Read, send(ok("hi")), pause(20), Step::Reset])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second"),
        case("a connection that ends under the second GET", vec![Step::Read, send(ok("hi")), Step::Read, Step::Close])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second")
            .but_reqwest(vec![answered(200, "hi"), Outcome::Protocol], "reqwest repeats only what was not written; a GET may be repeated (RFC 9110, 9.2.2), and browsers do"),
        case("a connection that ends under the second POST", vec![Step::Read, send(ok("hi")), Step::Read, Step::Close])
            .then(refuse()).ask("POST", Some("x")).again().gives(200, "hi").broken(),
        case("bytes after the answer", vec![Step::Read, send(format!("{}HTTP/1.1 200 OK\r\n", ok("hi")))])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second"),
        case("an answer that comes before its question", vec![Step::Read, send(ok("hi")), pause(20), send(ok("stale"))])
            .then(reply(ok("second"))).again().gives(200, "hi").gives(200, "second"),
        case("a body behind status 204", vec![Step::Read, send("HTTP/1.1 204 No Content\r\n\r\nsurprise")])
            .then(reply(ok("second"))).again().gives(204, "").gives(200, "second"),
        case("a body behind HEAD", vec![Step::Read, send(ok("surprise"))])
            .then(reply("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")).ask("HEAD", None).again().gives(200, "").gives(201, ""),
        case("chunks, then another request", twice(&chunked("2\r\nhi\r\n0\r\nT: x\r\n\r\n")))
            .then(refuse()).again().gives(200, "hi").gives(200, "hi"),
        case("a cookie comes back", vec![Step::Read, send(with_headers("Set-Cookie: s=1; Path=/\r\nContent-Length: 2", "hi")), Step::Read, send(ok("again"))])
            .again().gives(200, "hi").gives(200, "again"),
        case("an answer before the whole request is read", vec![
            Step::ReadHead, send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig"), pause(100),
        ]).ask("POST", Some("x")).gives(413, "big"),
        case("a server that wants to be asked", vec![
            Step::ReadHead, send("HTTP/1.1 100 Continue\r\n\r\n"), Step::ReadExactly(4), send(ok("took it")),
        ]).ask("POST", Some("body")).header("Expect", "100-continue").gives(200, "took it"),
    ]
}

pub(super) fn redirects() -> Vec<Case> {
    let to = |status: u16, location: &str| {
        format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\ngone")
    };
    let landed = |first: String| [reply(first), reply(ok("there"))].concat();
    vec![
        case("301", landed(to(301, "/there"))).gives(200, "there"),
        case("302 with a query", landed(to(302, "?q=1"))).gives(200, "there"),
        case("303", landed(to(303, "/there"))).gives(200, "there"),
        case("307 with a body", landed(to(307, "/there")))
            .ask("POST", Some("x"))
            .gives(200, "there"),
        case("308", landed(to(308, "there"))).gives(200, "there"),
        answer("300 is an answer", to(300, "/there")).gives(300, "gone"),
        answer("304 with a location is an answer", "HTTP/1.1 304 x\r\nLocation: /there\r\n\r\n")
            .gives(304, ""),
        answer("no location", "HTTP/1.1 302 Found\r\nContent-Length: 4\r\n\r\ngone")
            .gives(302, "gone"),
        case("a circle", (0..12).flat_map(|_| reply(to(302, "/"))).collect())
            .fails(Outcome::Redirect),
    ]
}
