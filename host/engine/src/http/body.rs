//! The body of an answer: where it ends.

use super::outcome::Failure;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk and its trailers.
    Chunked,
    /// Where the server closes the connection.
    Close,
}

/// Bytes of chunk extensions in one answer at most.
const MAX_EXTENSION_BYTES: u32 = 16 << 10;
/// Bytes of trailers at most.
const MAX_TRAILER_BYTES: u32 = 16 << 10;

/// Finds the end of one body. It sees the bytes as they come and keeps none.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyReader {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    Close,
    Chunk(ChunkState),
    Done,
}

/// Between two bytes of a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChunkState {
    at: At,
    /// Of the present chunk: size read so far, or bytes to come.
    size: u64,
    extension_bytes: u32,
    trailer_bytes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The first digit of a size.
    Start,
    Size,
    /// Blanks after the size.
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataEndFirst,
    DataEndSecond,
    /// The first byte of a trailer line, or of the empty line.
    Trailer,
    TrailerLine,
    TrailerEnd,
    EndSecond,
}

impl BodyReader {
    pub(super) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Close => State::Close,
            Framing::Chunked => State::Chunk(ChunkState {
                at: At::Start,
                size: 0,
                extension_bytes: 0,
                trailer_bytes: 0,
            }),
        };
        Self { state }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what belongs to the body from the front of `bytes`, hands its content to
    /// `sink`, and returns how many bytes it took.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<usize, Failure> {
        match &mut self.state {
            State::Done => Ok(0),
            State::Close => {
                sink(bytes);
                Ok(bytes.len())
            }
            State::Length(left) => {
                let taken = clamp(*left, bytes.len());
                *left -= taken as u64;
                if *left == 0 {
                    self.state = State::Done;
                }
                sink(&bytes[..taken]);
                Ok(taken)
            }
            State::Chunk(chunk) => {
                let (taken, done) = chunk.feed(bytes, sink)?;
                if done {
                    self.state = State::Done;
                }
                Ok(taken)
            }
        }
    }

    /// The connection was closed.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        match self.state {
            State::Done => Ok(()),
            State::Close => {
                self.state = State::Done;
                Ok(())
            }
            State::Length(_) | State::Chunk(_) => {
                Err(Failure::protocol("connection closed before the end of the body"))
            }
        }
    }
}

/// `left`, but not more than there are bytes.
fn clamp(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}

impl ChunkState {
    /// Bytes taken, and whether the body is over.
    fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<(usize, bool), Failure> {
        let mut at = 0;
        while at < bytes.len() {
            if self.at == At::Data {
                let taken = clamp(self.size, bytes.len() - at);
                sink(&bytes[at..at + taken]);
                at += taken;
                self.size -= taken as u64;
                if self.size == 0 {
                    self.at = At::DataEndFirst;
                }
                continue;
            }
            let done = self.step(bytes[at])?;
            at += 1;
            if done {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// One byte that is not content. Whether the body ends with it.
    fn step(&mut self, byte: u8) -> Result<bool, Failure> {
        self.at = match (self.at, byte) {
            (At::Start, _) => {
                self.size = u64::from(hex(byte).ok_or_else(bad_size)?);
                At::Size
            }
            (At::Size, b';') | (At::Blank, b';') => At::Extension,
            (At::Size | At::Blank, b'\r') => At::SizeEnd,
            (At::Size | At::Blank, b' ' | b'\t') => At::Blank,
            (At::Size, _) => {
                let digit = hex(byte).ok_or_else(bad_size)?;
                let size = self.size.checked_mul(16).ok_or_else(bad_size)?;
                self.size = size | u64::from(digit);
                At::Size
            }
            (At::Extension, b'\r') => At::SizeEnd,
            (At::Extension, b'\n') | (At::Blank, _) => return Err(bad_size()),
            (At::Extension, _) => {
                self.extension_bytes += 1;
                if self.extension_bytes > MAX_EXTENSION_BYTES {
                    return Err(Failure::protocol("the answer has too long chunk extensions"));
                }
                At::Extension
            }
            (At::SizeEnd, b'\n') if self.size == 0 => At::Trailer,
            (At::SizeEnd, b'\n') => At::Data,
            (At::DataEndFirst, b'\r') => At::DataEndSecond,
            (At::DataEndSecond, b'\n') => At::Start,
            (At::Trailer, b'\r') => At::EndSecond,
            (At::TrailerLine, b'\r') => At::TrailerEnd,
            (At::Trailer | At::TrailerLine, _) => {
                self.trailer_bytes += 1;
                if self.trailer_bytes > MAX_TRAILER_BYTES {
                    return Err(Failure::protocol("the answer has too long trailers"));
                }
                At::TrailerLine
            }
            (At::TrailerEnd, b'\n') => At::Trailer,
            (At::EndSecond, b'\n') => return Ok(true),
            (At::SizeEnd, _) => return Err(bad_size()),
            (At::Data | At::DataEndFirst | At::DataEndSecond, _) => {
                return Err(Failure::protocol(
                    "the answer has a chunk that does not end where it says",
                ));
            }
            (At::TrailerEnd | At::EndSecond, _) => {
                return Err(Failure::protocol("the answer has malformed trailers"));
            }
        };
        Ok(false)
    }
}

fn bad_size() -> Failure {
    Failure::protocol("the answer has a malformed chunk size")
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
