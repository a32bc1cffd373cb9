//! Status lines and headers.

use super::super::server::{Step, ok, pause, send};
use super::{Case, answer, answered, case, closing, with_headers};

pub(super) fn heads() -> Vec<Case> {
    let headers = |count| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let (hundred, more) = (headers(99), headers(100));
    let large = format!("X-Large: {}\r\nContent-Length: 2", "x".repeat(40_000));
    vec![
        answer("status 204", "HTTP/1.1 204 No Content\r\n\r\n").gives(204, ""),
        answer("status 204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
            .gives(204, ""),
        answer(
            "status 304 with a length",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        )
        .gives(304, ""),
        answer("HEAD with a length", with_headers("Content-Length: 5", ""))
            .ask("HEAD", None)
            .gives(200, ""),
        answer("HEAD with chunks announced", with_headers("Transfer-Encoding: chunked", ""))
            .ask("HEAD", None)
            .gives(200, ""),
        answer("status 404 with a body", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")
            .gives(404, "gone"),
        answer("status 500", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").gives(500, ""),
        answer("a status nobody knows", "HTTP/1.1 799 What\r\nContent-Length: 0\r\n\r\n")
            .gives(799, ""),
        answer("no reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi").gives(200, "hi"),
        answer("no reason and no blank", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi")
            .gives(200, "hi"),
        answer("line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi").gives(200, "hi"),
        answer("empty lines in front", format!("\r\n\r\n{}", ok("hi"))).gives(200, "hi"),
        answer("an empty header value", with_headers("X-Empty:\r\nContent-Length: 2", "hi"))
            .gives(200, "hi"),
        answer(
            "a header value that is not UTF-8",
            b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 2\r\n\r\nhi",
        )
        .gives(200, "hi"),
        answer(
            "100 Continue that nobody asked for",
            format!("HTTP/1.1 100 Continue\r\n\r\n{}", ok("hi")),
        )
        .gives(200, "hi"),
        answer(
            "early hints",
            format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{}", ok("hi")),
        )
        .gives(200, "hi"),
        case(
            "several informational heads, with pauses",
            vec![
                Step::Read,
                send("HTTP/1.1 102 Processing\r\n\r\n"),
                pause(30),
                send("HTTP/1.1 103 Early Hints\r\n\r\nHTT"),
                pause(30),
                send(&ok("hi")[3..]),
            ],
        )
        .gives(200, "hi"),
        answer("a hundred headers", with_headers(&format!("{hundred}Content-Length: 2"), "hi"))
            .gives(200, "hi"),
        answer(
            "a hundred and one headers",
            with_headers(&format!("{more}Content-Length: 2"), "hi"),
        )
        .broken(),
        answer("a head of 40 KB", with_headers(&large, "hi")).broken().but_reqwest(
            vec![answered(200, "hi")],
            "hyper takes heads of 400 KB; ours are capped by the limit header_bytes",
        ),
        answer("no HTTP at all", "SSH-2.0-OpenSSH_9.6\r\n").broken(),
        answer("an answer of HTTP/0.9", "<html>hello</html>").broken(),
        answer("HTTP/2.0 in the status line", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")
            .broken(),
        answer("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n").broken(),
        answer("a status below 100", "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n").broken(),
        answer("a header without a colon", with_headers("Nonsense\r\nContent-Length: 2", "hi"))
            .broken(),
        answer("a blank before the colon", with_headers("Content-Length : 2", "hi")).broken(),
        answer("a folded header", with_headers("X: a\r\n b\r\nContent-Length: 2", "hi")).broken(),
        answer("a zero byte in a header", with_headers("X: a\0b\r\nContent-Length: 2", "hi"))
            .broken(),
        answer("an empty header name", with_headers(": x\r\nContent-Length: 2", "hi")).broken(),
        answer(
            "101 that nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        )
        .broken()
        .but_reqwest(
            vec![answered(101, "")],
            "reqwest offers the connection to its caller; we speak no other protocol",
        ),
        closing("nothing at all", "").broken(),
        closing("half a status line", "HTTP/1.1 2").broken(),
        closing("half a head", "HTTP/1.1 200 OK\r\nContent-Le").broken(),
        case("a reset instead of an answer", vec![Step::Read, Step::Reset]).broken(),
        case(
            "a reset in the body",
            vec![Step::Read, send(with_headers("Content-Length: 9", "hi")), pause(30), Step::Reset],
        )
        .broken(),
    ]
}
