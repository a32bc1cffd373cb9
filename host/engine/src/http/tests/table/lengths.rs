//! Bodies of known and unknown length.

use super::super::oracle::Outcome;
use super::super::server::{Step, ok, pause, send, trickle};
use super::{Case, answer, case, closing, with_headers};

pub(super) fn lengths() -> Vec<Case> {
    vec![
        answer("a body of known length", ok("hello")).gives(200, "hello"),
        answer("an empty body", ok("")).gives(200, ""),
        answer(
            "length after other headers",
            with_headers("Server: x\r\nVary: a, b\r\ncontent-length: 2", "hi"),
        )
        .gives(200, "hi"),
        answer(
            "the same length twice",
            with_headers("Content-Length: 2\r\nContent-Length: 2", "hi"),
        )
        .gives(200, "hi"),
        answer("the same length twice in one line", with_headers("Content-Length: 2, 2", "hi"))
            .gives(200, "hi"),
        answer("blanks around the length", with_headers("Content-Length: \t 2  ", "hi"))
            .gives(200, "hi"),
        answer(
            "two different lengths",
            with_headers("Content-Length: 2\r\nContent-Length: 3", "hi!"),
        )
        .broken(),
        answer("two different lengths in one line", with_headers("Content-Length: 2, 3", "hi!"))
            .broken(),
        answer("a negative length", with_headers("Content-Length: -1", "")).broken(),
        answer("a length with a sign", with_headers("Content-Length: +2", "hi")).broken(),
        answer("a length that is no number", with_headers("Content-Length: two", "hi")).broken(),
        answer("an empty length", with_headers("Content-Length:", "hi")).broken(),
        answer("a length in hexadecimal", with_headers("Content-Length: 0x2", "hi")).broken(),
        answer(
            "a length beyond 64 bits",
            with_headers("Content-Length: 99999999999999999999", "hi"),
        )
        .broken(),
        closing("a length that the body does not reach", with_headers("Content-Length: 9", "hi"))
            .broken(),
        closing("no length: the body ends with the connection", with_headers("Server: x", "hello"))
            .gives(200, "hello"),
        closing("no length and no body", with_headers("Server: x", "")).gives(200, ""),
        case(
            "a body with pauses",
            vec![Step::Read, send(&ok("hello")[..40]), pause(40), send(&ok("hello")[40..])],
        )
        .gives(200, "hello"),
        case("an answer byte by byte", vec![Step::Read, trickle(&ok("hello"))]).gives(200, "hello"),
        case("a body that stalls", vec![Step::Read, send(with_headers("Content-Length: 9", "hi"))])
            .fails(Outcome::Timeout),
        case("a server that says nothing", vec![Step::Read]).fails(Outcome::Timeout),
    ]
}
