//! Answers that a client must survive.

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::stream;

use super::io::{Connection, End, Spoilt};

/// By the last part of the path. `None`: no such fault.
///
/// - `truncated`: announces 1,000 bytes, sends 100, closes
/// - `reset`: half an answer, then a TCP reset
/// - `close`: no answer at all
/// - `garbage`: bytes that are no HTTP
/// - `chunked`: a chunk size that is no number
/// - `length`: two Content-Length headers that differ
/// - `header`: a header of 1 MiB
/// - `endless`: a body that never ends
pub(super) fn answer(kind: &str, connection: &Connection) -> Option<Response<Body>> {
    let (bytes, end) = match kind {
        "truncated" => (with_body("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 100), End::Close),
        "reset" => (with_body("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 100), End::Reset),
        "close" => (Vec::new(), End::Close),
        "garbage" => (b"\x16\x03\x01\x00\xa5 this is no HTTP\r\n\r\n".to_vec(), End::Close),
        "chunked" => (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n".to_vec(),
            End::Close,
        ),
        "length" => (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!".to_vec(),
            End::Close,
        ),
        "header" => (
            with_body("HTTP/1.1 200 OK\r\nX-Long: ", 1 << 20).into_iter().chain(*b"\r\n\r\n").collect(),
            End::Close,
        ),
        "endless" => return Some(endless()),
        _ => return None,
    };
    connection.spoil(Spoilt { bytes, end });
    // Never seen by the client; it only makes the server write.
    Some(StatusCode::OK.into_response())
}

fn with_body(head: &str, length: usize) -> Vec<u8> {
    let mut bytes = head.as_bytes().to_vec();
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

fn endless() -> Response<Body> {
    const PIECE: Bytes = Bytes::from_static(&[b'x'; 16 << 10]);
    let pieces = stream::repeat_with(|| Ok::<_, std::convert::Infallible>(PIECE));
    ([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(pieces)).into_response()
}
