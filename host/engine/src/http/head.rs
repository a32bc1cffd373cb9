//! The head of an answer: status line, headers, and how long the body is.

use std::mem::MaybeUninit;

use super::body::Framing;
use super::outcome::Failure;

/// Header lines of an answer at most, as many as hyper takes.
const MAX_HEADERS: usize = 100;
/// Header lines of most answers. The list of them stands on the user's own stack, whose pages
/// are cold and stay resident: a list for all would take one more of them for each user.
const FEW_HEADERS: usize = 24;

/// What the engine wants to know of a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The server lets the connection open.
    pub(super) keep_alive: bool,
    /// What most answers do not have.
    extras: Option<Box<Extras>>,
}

/// Headers that ask for something to be done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extras {
    cookies: Vec<String>,
    location: Option<String>,
}

impl Head {
    /// Values of `Set-Cookie`.
    pub(super) fn cookies(&self) -> &[String] {
        self.extras.as_ref().map_or(&[], |extras| &extras.cookies)
    }

    /// Value of `Location`, of a redirect.
    pub(super) fn location(&self) -> Option<&str> {
        self.extras.as_ref()?.location.as_deref()
    }
}

/// A head, and what follows from it for the bytes behind it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) framing: Framing,
    /// Of the head, in bytes.
    pub(super) length: usize,
}

/// Reads a head. None: it goes on in bytes yet to come.
///
/// `bodiless`: the request was HEAD, so the answer has no body whatever it says.
pub(super) fn parse(bytes: &[u8], bodiless: bool) -> Result<Option<Parsed>, Failure> {
    let mut headers = [MaybeUninit::uninit(); FEW_HEADERS];
    parse_with(&mut headers, bytes, bodiless).unwrap_or_else(|TooMany| parse_many(bytes, bodiless))
}

#[cold]
#[inline(never)]
fn parse_many(bytes: &[u8], bodiless: bool) -> Result<Option<Parsed>, Failure> {
    let mut headers = [MaybeUninit::uninit(); MAX_HEADERS];
    parse_with(&mut headers, bytes, bodiless)
        .unwrap_or_else(|TooMany| Err(Failure::protocol(fault(httparse::Error::TooManyHeaders))))
}

/// There are more headers than places for them.
struct TooMany;

fn parse_with<'b>(
    headers: &mut [MaybeUninit<httparse::Header<'b>>],
    bytes: &'b [u8],
    bodiless: bool,
) -> Result<Result<Option<Parsed>, Failure>, TooMany> {
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        headers,
    );
    Ok(match parsed {
        Ok(httparse::Status::Complete(length)) => understand(&response, length, bodiless).map(Some),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(TooMany),
        Err(error) => Err(Failure::protocol(fault(error))),
    })
}

fn understand(
    response: &httparse::Response<'_, '_>,
    length: usize,
    bodiless: bool,
) -> Result<Parsed, Failure> {
    let status = response.code.unwrap_or_default();
    if status < 100 {
        return Err(Failure::protocol("the answer has an impossible status"));
    }
    let mut lines = Lines::new(response.version == Some(1));
    for header in response.headers.iter() {
        lines.read(status, header)?;
    }
    let framing = lines.framing(status, bodiless)?;
    let keep_alive = lines.keep_alive && framing != Framing::Close;
    let head = Head { status, keep_alive, extras: lines.extras };
    Ok(Parsed { head, framing, length })
}

fn fault(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::Version => "the answer is not HTTP/1.1",
        httparse::Error::Status => "the answer has a malformed status line",
        httparse::Error::HeaderName => "the answer has a malformed header name",
        httparse::Error::HeaderValue => "the answer has a malformed header value",
        httparse::Error::NewLine => "the answer has a malformed line end",
        httparse::Error::TooManyHeaders => "the answer has more than 100 headers",
        httparse::Error::Token => "the answer is no HTTP",
    }
}

/// Header lines as far as read.
struct Lines {
    is_1_1: bool,
    keep_alive: bool,
    saw_close: bool,
    length: Option<u64>,
    coding: Coding,
    extras: Option<Box<Extras>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    Chunked,
    /// Ends with another coding than chunked.
    Other,
}

impl Lines {
    fn new(is_1_1: bool) -> Self {
        Self {
            is_1_1,
            keep_alive: is_1_1,
            saw_close: false,
            length: None,
            coding: Coding::None,
            extras: None,
        }
    }

    fn read(&mut self, status: u16, header: &httparse::Header<'_>) -> Result<(), Failure> {
        // The length of the name decides first, so that most headers cost one comparison.
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            14 if is("content-length") => self.read_length(header.value)?,
            17 if is("transfer-encoding") => self.read_coding(header.value),
            10 if is("connection") => self.read_connection(header.value),
            10 if is("set-cookie") => {
                let value = String::from_utf8_lossy(header.value).into_owned();
                self.extras.get_or_insert_default().cookies.push(value);
            }
            8 if (300..400).contains(&status) && is("location") => {
                let value = String::from_utf8_lossy(header.value).into_owned();
                self.extras.get_or_insert_default().location.get_or_insert(value);
            }
            _ => {}
        }
        Ok(())
    }

    /// Repeated lengths must agree, else two parties would see two different answers.
    fn read_length(&mut self, value: &[u8]) -> Result<(), Failure> {
        for part in value.split(|&byte| byte == b',') {
            let length = parse_length(part.trim_ascii())
                .ok_or_else(|| Failure::protocol("the answer has a malformed content-length"))?;
            if self.length.is_some_and(|known| known != length) {
                return Err(Failure::protocol("the answer has conflicting content-lengths"));
            }
            self.length = Some(length);
        }
        Ok(())
    }

    fn read_coding(&mut self, value: &[u8]) {
        let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default().trim_ascii();
        self.coding =
            if last.eq_ignore_ascii_case(b"chunked") { Coding::Chunked } else { Coding::Other };
    }

    fn read_connection(&mut self, value: &[u8]) {
        for token in value.split(|&byte| byte == b',') {
            let token = token.trim_ascii();
            if token.eq_ignore_ascii_case(b"close") {
                self.saw_close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            }
        }
        self.keep_alive &= !self.saw_close;
    }

    /// How the body ends: RFC 9112, 6.3.
    fn framing(&self, status: u16, bodiless: bool) -> Result<Framing, Failure> {
        if bodiless || status < 200 || status == 204 || status == 304 {
            return Ok(Framing::Length(0));
        }
        match (self.coding, self.length) {
            (Coding::None, Some(length)) => Ok(Framing::Length(length)),
            (Coding::None, None) => Ok(Framing::Close),
            (_, Some(_)) => {
                Err(Failure::protocol("the answer has both transfer-encoding and content-length"))
            }
            (_, None) if !self.is_1_1 => {
                Err(Failure::protocol("an HTTP/1.0 answer has a transfer-encoding"))
            }
            (Coding::Chunked, None) => Ok(Framing::Chunked),
            (Coding::Other, None) => Ok(Framing::Close),
        }
    }
}

/// Digits and nothing else, so neither signs nor spaces.
fn parse_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Calls `visit` with each name and value of a head that was parsed before.
pub(super) fn for_each_header<'a>(head: &'a [u8], mut visit: impl FnMut(&'a str, &'a [u8])) {
    let mut headers = [MaybeUninit::uninit(); MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        &mut headers,
    );
    if let Ok(httparse::Status::Complete(_)) = parsed {
        for header in response.headers.iter() {
            visit(header.name, header.value);
        }
    }
}
