//! Compressed bodies.

use std::io::Write as _;

use super::super::oracle::Outcome;
use super::{Case, answer};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn encoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(super) fn codings() -> Vec<Case> {
    // "hello" as one uncompressed meta-block of brotli.
    let brotli = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
    let zstd = zstd::encode_all(&b"hello"[..], 1).unwrap();
    vec![
        answer("gzip", encoded("gzip", &gzip(b"hello"))).gives(200, "hello"),
        answer("gzip in capitals", encoded("GZIP", &gzip(b"hello")))
            .gives(200, "hello")
            .but_reqwest(
                vec![Outcome::Answer(200, String::from_utf8_lossy(&gzip(b"hello")).into_owned())],
                "codings have no case (RFC 9110, 8.4.1)",
            ),
        answer("deflate", encoded("deflate", &zlib(b"hello"))).gives(200, "hello"),
        answer("br", encoded("br", &brotli)).gives(200, "hello"),
        answer("zstd", encoded("zstd", &zstd)).gives(200, "hello"),
        answer("a coding nobody knows", encoded("rot13", b"uryyb")).gives(200, "uryyb"),
        answer("gzip that is none", encoded("gzip", b"plain")).gives(200, "plain").but_reqwest(
            vec![Outcome::Protocol],
            "what arrived is measured; who looks at the body sees it as it is",
        ),
    ]
}
