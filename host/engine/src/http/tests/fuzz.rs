//! Reading answers: no bytes make it panic, and how they are split makes no difference.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::reader::{Reader, Reply, Wanted};

const WANTED: Wanted = Wanted { bodiless: false, keep: true, header_cap: 4096, body_cap: 1 << 16 };

/// Everything that can be seen of an answer; or the failure.
type Seen = Result<(u16, Vec<u8>, u64, bool, bool), String>;

/// Feeds the bytes in pieces of these lengths, the last of which repeats, then closes.
fn read(bytes: &[u8], pieces: &[usize]) -> Seen {
    let mut reader = Reader::new(WANTED);
    let mut rest = bytes;
    let mut lengths = pieces.iter().copied().chain(std::iter::repeat(*pieces.last().unwrap()));
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(lengths.next().unwrap().clamp(1, rest.len()));
        rest = after;
        match reader.feed(piece) {
            Ok(false) => {}
            Ok(true) => return Ok(seen(reader.take_reply().unwrap())),
            Err(failure) => return Err(failure.to_string()),
        }
    }
    reader.close().map_err(|failure| failure.to_string())?;
    Ok(seen(reader.take_reply().unwrap()))
}

fn seen(reply: Reply) -> (u16, Vec<u8>, u64, bool, bool) {
    let kept = reply.kept.unwrap();
    let Reply { head, body_bytes, .. } = reply;
    (head.status, kept.raw_body().to_vec(), body_bytes, kept.is_cut(), head.keep_alive)
}

/// An answer and its body.
fn answers() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let body = vec(any::<u8>(), 0..300);
    let sizes = vec(1usize..40, 1..20);
    (body, sizes, 0u8..4, 200u16..204, 0usize..3).prop_map(
        |(body, sizes, framing, status, hints)| {
            let mut bytes = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(hints);
            bytes.extend_from_slice(
                format!("HTTP/1.1 {status} Some Reason\r\nX-Y: z\r\n").as_bytes(),
            );
            match framing {
                0 => {
                    bytes.extend_from_slice(
                        format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(),
                    );
                    bytes.extend_from_slice(&body);
                }
                1 => {
                    bytes.extend_from_slice(b"\r\n");
                    bytes.extend_from_slice(&body);
                }
                _ => {
                    bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                    let mut rest = body.as_slice();
                    for size in sizes.iter().cycle() {
                        let (chunk, after) = rest.split_at((*size).min(rest.len()));
                        rest = after;
                        let extension = if framing == 3 { ";a=b" } else { "" };
                        bytes.extend_from_slice(
                            format!("{:x}{extension}\r\n", chunk.len()).as_bytes(),
                        );
                        bytes.extend_from_slice(chunk);
                        if chunk.is_empty() {
                            bytes.extend_from_slice(if framing == 3 {
                                b"T: x\r\n\r\n"
                            } else {
                                b"\r\n"
                            });
                            break;
                        }
                        bytes.extend_from_slice(b"\r\n");
                    }
                }
            }
            (bytes, body)
        },
    )
}

/// Bytes that look like HTTP often enough to get deep.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 ",
        "HTTP/1.1 100 C\r\n\r\n",
        "204",
        "Content-Length: ",
        "5",
        "\r\n",
        "\r\n\r\n",
        "Transfer-Encoding: chunked\r\n",
        "a\r\n",
        "0\r\n\r\n",
        ";",
        "\n",
        " ",
        ":",
        "ffffffffffffffff",
        "x",
    ]);
    let piece = prop_oneof![
        4 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splits_make_no_difference((bytes, body) in answers(), pieces in vec(1usize..60, 1..40)) {
        let whole = read(&bytes, &[usize::MAX]);
        let (_, read_body, count, ..) = whole.clone().unwrap();
        prop_assert_eq!(&read_body, &body);
        prop_assert_eq!(count, body.len() as u64);
        prop_assert_eq!(&read(&bytes, &pieces), &whole);
        prop_assert_eq!(&read(&bytes, &[1]), &whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in garbage(), pieces in vec(1usize..60, 1..40)) {
        let whole = read(&bytes, &[usize::MAX]);
        let split = read(&bytes, &pieces);
        // Which of several faults is found first may depend on the splits; whether there is one may not.
        prop_assert_eq!(whole.is_ok(), split.is_ok(), "{:?} {:?}", whole, split);
    }

    #[test]
    fn a_changed_byte_makes_no_panic((mut bytes, _) in answers(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes, &[7]);
    }
}
