//! Messages among masters that may be larger than the broker takes at once: sent in pieces, and
//! put together again by whoever hears them all.

use async_nats::{HeaderMap, Message, Subject};

use crate::connect::Connection;

/// Of one piece. Brokers take 1 MiB by default.
const PIECE: usize = 512 << 10;
/// Of a message; larger ones are refused.
pub(crate) const MOST: usize = 32 << 20;
/// `NUMBER/OF`
const HEADER: &str = "Lh-Piece";
/// Tells messages apart.
const HEADER_ID: &str = "Lh-Message";

/// Sends `body` to `subject`. False: it is too large, or the broker is away.
pub(crate) async fn send(connection: &Connection, subject: Subject, id: u64, body: &[u8]) -> bool {
    if body.len() > MOST || !connection.connected() {
        return false;
    }
    let of = body.len().div_ceil(PIECE).max(1);
    for number in 0..of {
        let piece = &body[number * PIECE..body.len().min((number + 1) * PIECE)];
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, format!("{}/{of}", number + 1).as_str());
        headers.insert(HEADER_ID, id.to_string().as_str());
        let piece = piece.to_vec().into();
        let sent = connection.client.publish_with_headers(subject.clone(), headers, piece).await;
        if sent.is_err() {
            return false;
        }
    }
    true
}

/// Puts one message together at a time; a newer one replaces one that is not complete.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    id: u64,
    of: usize,
    next: usize,
    body: Vec<u8>,
}

/// What a piece led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// All of it.
    Whole(Vec<u8>),
    /// More is to come.
    Open,
    /// A piece is missing; what was there is dropped.
    Torn,
}

impl Whole {
    /// Takes the next piece.
    pub(crate) fn take(&mut self, message: &Message) -> Joined {
        let header = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str());
        let place = header(HEADER).and_then(|place| {
            let (number, of) = place.split_once('/')?;
            Some((number.parse().ok()?, of.parse().ok()?))
        });
        let id = header(HEADER_ID).and_then(|id| id.parse().ok());
        match (id, place) {
            (Some(id), Some(place)) => self.join(id, place, &message.payload),
            _ => Joined::Torn,
        }
    }

    fn join(&mut self, id: u64, (number, of): (usize, usize), piece: &[u8]) -> Joined {
        let was_open = self.next > 1;
        if number == 1 {
            *self = Self { id, of, next: 1, body: Vec::new() };
        }
        let fits = id == self.id && of == self.of && number == self.next && number <= of;
        if !fits || self.body.len() + piece.len() > MOST {
            *self = Self::default();
            return if was_open || number == 1 { Joined::Torn } else { Joined::Open };
        }
        self.body.extend_from_slice(piece);
        self.next += 1;
        if number < of {
            return Joined::Open;
        }
        Joined::Whole(std::mem::take(self).body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[(u64, (usize, usize), &str)]) -> Vec<Joined> {
        let mut whole = Whole::default();
        pieces.iter().map(|(id, place, text)| whole.join(*id, *place, text.as_bytes())).collect()
    }

    #[test]
    fn pieces_become_a_whole() {
        let whole = Joined::Whole(b"abc".to_vec());
        assert_eq!(
            joined(&[(1, (1, 3), "a"), (1, (2, 3), "b"), (1, (3, 3), "c"), (2, (1, 1), "abc")]),
            [Joined::Open, Joined::Open, whole, Joined::Whole(b"abc".to_vec())]
        );
    }

    #[test]
    fn a_lost_piece_loses_its_message_and_no_other() {
        assert_eq!(
            joined(&[(1, (1, 3), "a"), (1, (3, 3), "c"), (2, (2, 2), "b"), (3, (1, 1), "d")]),
            [Joined::Open, Joined::Torn, Joined::Open, Joined::Whole(b"d".to_vec())]
        );
    }
}
