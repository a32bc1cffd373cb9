//! Chunked bodies.

use super::super::server::{Step, pause, send, trickle};
use super::{Case, answer, answered, case, chunked, closing, with_headers};

pub(super) fn chunks() -> Vec<Case> {
    vec![
        answer("one chunk", chunked("5\r\nhello\r\n0\r\n\r\n")).gives(200, "hello"),
        answer("many chunks", chunked("1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n")).gives(200, "hello"),
        answer("no chunk but the last", chunked("0\r\n\r\n")).gives(200, ""),
        answer("sizes in upper case", chunked("A\r\n0123456789\r\n0\r\n\r\n")).gives(200, "0123456789"),
        answer("sizes with zeros in front", chunked("0005\r\nhello\r\n000\r\n\r\n")).gives(200, "hello"),
        answer("extensions", chunked("5;a=b;c\r\nhello\r\n0;last\r\n\r\n")).gives(200, "hello"),
        answer("an extension in quotes", chunked("5;a=\"x;y\"\r\nhello\r\n0\r\n\r\n")).gives(200, "hello"),
        answer("blanks after the size", chunked("5 \t\r\nhello\r\n0\r\n\r\n")).gives(200, "hello"),
        answer("trailers", chunked("5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")).gives(200, "hello"),
        answer("the coding in capitals", with_headers("TRANSFER-ENCODING: Chunked", "2\r\nhi\r\n0\r\n\r\n"))
            .gives(200, "hi"),
        case("chunks byte by byte", vec![Step::Read, trickle(&chunked("5;x\r\nhello\r\n0\r\nA: b\r\n\r\n"))])
            .gives(200, "hello"),
        case("a last chunk that comes late", vec![Step::Read, send(chunked("2\r\nhi\r\n")), pause(40), send("0\r\n\r\n")])
            .gives(200, "hi"),
        answer("a size that is no number", chunked("x\r\nhello\r\n0\r\n\r\n")).broken(),
        answer("a size with a sign", chunked("-5\r\nhello\r\n0\r\n\r\n")).broken(),
        answer("an empty size", chunked("\r\nhello\r\n0\r\n\r\n")).broken(),
        answer("a size beyond 64 bits", chunked("fffffffffffffffff\r\nhello\r\n0\r\n\r\n")).broken(),
        answer("a size line that ends with a bare line feed", chunked("5\nhello\r\n0\r\n\r\n")).broken(),
        answer("an extension with a bare line feed", chunked("5;a\nhello\r\n0\r\n\r\n")).broken(),
        answer("digits after blanks", chunked("5 5\r\nhello\r\n0\r\n\r\n")).broken(),
        answer("a chunk longer than it says", chunked("3\r\nhello\r\n0\r\n\r\n")).broken(),
        answer("endless extensions", chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(17_000)))).broken(),
        answer("endless trailers", chunked(&format!("0\r\nX: {}\r\n\r\n", "x".repeat(500_000)))).broken(),
        answer("trailers of 20 KB", chunked(&format!("0\r\nX: {}\r\n\r\n", "x".repeat(20_000))))
            .broken(),
        closing("a chunk cut off", chunked("5\r\nhel")).broken(),
        closing("no last chunk", chunked("5\r\nhello\r\n")).broken(),
        closing("a last chunk without the empty line", chunked("5\r\nhello\r\n0\r\n")).broken(),
        answer("chunked and a length", with_headers("Transfer-Encoding: chunked\r\nContent-Length: 2", "2\r\nhi\r\n0\r\n\r\n"))
            .broken()
            .but_reqwest(vec![answered(200, "hi")], "two parties could see two answers (RFC 9112, 6.3), so a target that does this is at fault"),
        answer("chunked twice in two lines", with_headers("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"))
            .gives(200, "hi"),
        closing("a coding that is not chunked", with_headers("Transfer-Encoding: identity", "hi")).gives(200, "hi"),
        answer("a coding in an answer of HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
            .broken(),
    ]
}
