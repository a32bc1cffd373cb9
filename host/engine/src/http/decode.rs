//! Undoes `Content-Encoding`: gzip, deflate, br and zstd, up to a cap.

use std::io::Read;

/// What came out.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// There is more than the cap allows, or the input ended too early.
    pub(super) truncated: bool,
}

/// Layers of codings at most; more are a bomb or a mistake.
const MAX_LAYERS: usize = 4;

/// Logarithm of the memory that a zstd frame may ask for: RFC 9659 allows 8 MiB on the web.
const ZSTD_WINDOW: u32 = 23;

/// Undoes the codings, a comma-separated list in the order in which they were applied.
/// None: one of them is unknown, or the input is not what it says.
pub(super) fn decode(body: &[u8], codings: &str, cap: usize) -> Option<Decoded> {
    let layers: Vec<&str> = codings
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && *coding != "identity")
        .collect();
    if layers.is_empty() || layers.len() > MAX_LAYERS {
        return None;
    }
    let mut decoded: Option<Decoded> = None;
    for coding in layers.iter().rev() {
        let input = decoded.as_ref().map_or(body, |decoded| decoded.bytes.as_slice());
        let mut next = decode_one(input, coding, cap)?;
        next.truncated |= decoded.as_ref().is_some_and(|decoded| decoded.truncated);
        decoded = Some(next);
    }
    decoded
}

fn decode_one(input: &[u8], coding: &str, cap: usize) -> Option<Decoded> {
    match coding {
        "gzip" | "x-gzip" => read_up_to(flate2::read::MultiGzDecoder::new(input), cap),
        // Servers send both what the name says (raw) and what the RFC says (zlib).
        "deflate" => read_up_to(flate2::read::ZlibDecoder::new(input), cap)
            .or_else(|| read_up_to(flate2::read::DeflateDecoder::new(input), cap)),
        "br" => read_up_to(brotli_decompressor::Decompressor::new(input, 8 << 10), cap),
        "zstd" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input).ok()?;
            decoder.window_log_max(ZSTD_WINDOW).ok()?;
            read_up_to(decoder, cap)
        }
        _ => None,
    }
}

/// Reads up to `cap` bytes. A fault after the first byte leaves what came before it.
fn read_up_to(reader: impl Read, cap: usize) -> Option<Decoded> {
    let mut bytes = Vec::new();
    let outcome = reader.take(cap as u64 + 1).read_to_end(&mut bytes);
    if outcome.is_err() && bytes.is_empty() {
        return None;
    }
    let truncated = outcome.is_err() || bytes.len() > cap;
    bytes.truncate(cap);
    Some(Decoded { bytes, truncated })
}

/// Whether `needle` stands in `haystack`.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((&first, _)) = needle.split_first() else { return true };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|&byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn each_coding_is_undone() {
        let text = b"hello hello hello hello";
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text).unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(text).unwrap();
        let cases = [
            ("gzip", gzip(text)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("zstd", zstd::encode_all(&text[..], 1).unwrap()),
            ("gzip, zstd", zstd::encode_all(&gzip(text)[..], 1).unwrap()),
            ("identity, gzip", gzip(text)),
        ];
        for (codings, body) in cases {
            assert_eq!(decode(&body, codings, 1 << 20).unwrap().bytes, text, "{codings}");
        }
    }

    #[test]
    fn a_bomb_fills_the_cap_and_no_more() {
        let bomb = gzip(&vec![0; 10 << 20]);
        let decoded = decode(&bomb, "gzip", 1000).unwrap();
        assert_eq!((decoded.bytes.len(), decoded.truncated), (1000, true));
    }

    #[test]
    fn a_cut_body_leaves_its_beginning() {
        let text: Vec<u8> = (0..20_000u32).flat_map(u32::to_le_bytes).collect();
        let body = gzip(&text);
        let decoded = decode(&body[..body.len() / 2], "gzip", 1 << 20).unwrap();
        assert!(decoded.truncated && text.starts_with(&decoded.bytes));
    }

    #[test]
    fn what_is_no_such_coding_stays_as_it_is() {
        for (codings, body) in [("gzip", "plain"), ("br", "\0\0"), ("rot13", "x"), ("", "x")] {
            assert!(decode(body.as_bytes(), codings, 100).is_none(), "{codings}");
        }
        assert!(decode(&gzip(b"x"), "gzip,gzip,gzip,gzip,gzip", 100).is_none());
    }

    #[test]
    fn find_sees_every_position() {
        assert!(find(b"aaab", b"aab") && find(b"abc", b"") && find(b"abc", b"c"));
        assert!(!find(b"abc", b"abcd") && !find(b"", b"a"));
    }
}
