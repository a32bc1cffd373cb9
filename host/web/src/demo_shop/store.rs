//! Items, sessions and carts.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Items on sale: 1 to this.
pub(super) const ITEMS: u32 = 1_000;
/// What opens every account.
pub(super) const PASSWORD: &str = "secret";
/// Sessions kept; the oldest is forgotten for the next.
const MAX_SESSIONS: usize = 100_000;
/// Different items in a cart.
const MAX_CART: usize = 100;

#[derive(Debug, Clone, Serialize)]
pub(super) struct Item {
    id: u32,
    name: String,
    /// In cents.
    price: u32,
}

/// `None`: no such item.
pub(super) fn item(id: u32) -> Option<Item> {
    const KINDS: [&str; 8] =
        ["teapot", "lamp", "chair", "kettle", "blanket", "clock", "basket", "mirror"];
    (1..=ITEMS).contains(&id).then(|| Item {
        id,
        name: format!("{} no. {id}", KINDS[id as usize % KINDS.len()]),
        price: price(id),
    })
}

fn price(id: u32) -> u32 {
    100 + id * 37 % 9_900
}

/// What a cart comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Total {
    pub(super) items: u32,
    /// In cents.
    pub(super) total: u64,
}

/// Why nothing was sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoSession,
    NoItem,
    EmptyCart,
    FullCart,
}

#[derive(Default)]
struct Cart(Vec<(u32, u32)>);

impl Cart {
    fn total(&self) -> Total {
        Total {
            items: self.0.iter().map(|(_, quantity)| quantity).sum(),
            total: self
                .0
                .iter()
                .map(|(id, quantity)| u64::from(price(*id)) * u64::from(*quantity))
                .sum(),
        }
    }
}

/// Sessions with their carts.
#[derive(Default)]
pub(super) struct Store(Mutex<Sessions>);

#[derive(Default)]
struct Sessions {
    carts: HashMap<u64, Cart>,
    by_age: VecDeque<u64>,
    orders: u64,
}

impl Store {
    /// A new session's id.
    pub(super) fn open_session(&self) -> u64 {
        let mut sessions = self.lock();
        if sessions.by_age.len() >= MAX_SESSIONS
            && let Some(oldest) = sessions.by_age.pop_front()
        {
            sessions.carts.remove(&oldest);
        }
        let id = fastrand::u64(..);
        sessions.carts.insert(id, Cart::default());
        sessions.by_age.push_back(id);
        id
    }

    pub(super) fn add(
        &self,
        session: Option<u64>,
        id: u32,
        quantity: u32,
    ) -> Result<Total, Refusal> {
        let mut sessions = self.lock();
        let cart = sessions.cart(session)?;
        if item(id).is_none() {
            return Err(Refusal::NoItem);
        }
        match cart.0.iter().position(|(known, _)| *known == id) {
            Some(line) => cart.0[line].1 = cart.0[line].1.saturating_add(quantity).min(1_000),
            None if cart.0.len() >= MAX_CART => return Err(Refusal::FullCart),
            None => cart.0.push((id, quantity.min(1_000))),
        }
        Ok(cart.total())
    }

    /// The number of the order and what it comes to; the cart is empty afterwards.
    pub(super) fn check_out(&self, session: Option<u64>) -> Result<(u64, Total), Refusal> {
        let mut sessions = self.lock();
        let cart = std::mem::take(sessions.cart(session)?);
        if cart.0.is_empty() {
            return Err(Refusal::EmptyCart);
        }
        sessions.orders += 1;
        Ok((sessions.orders, cart.total()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn cart(&mut self, session: Option<u64>) -> Result<&mut Cart, Refusal> {
        session.and_then(|id| self.carts.get_mut(&id)).ok_or(Refusal::NoSession)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cart_is_sold_once() {
        let store = Store::default();
        let session = Some(store.open_session());
        assert_eq!(store.check_out(session), Err(Refusal::EmptyCart));
        assert_eq!(store.add(session, 7, 2).unwrap().items, 2);
        let (order, total) = store.check_out(session).unwrap();
        assert_eq!((order, total.total), (1, 2 * u64::from(price(7))));
        assert_eq!(store.check_out(session), Err(Refusal::EmptyCart));
        assert_eq!(store.add(None, 7, 1), Err(Refusal::NoSession));
        assert_eq!(store.add(session, ITEMS + 1, 1), Err(Refusal::NoItem));
    }

    #[test]
    fn the_oldest_session_goes_when_there_are_too_many() {
        let store = Store::default();
        let first = store.open_session();
        for _ in 0..MAX_SESSIONS {
            store.open_session();
        }
        assert_eq!(store.add(Some(first), 1, 1), Err(Refusal::NoSession));
        assert!(store.lock().carts.len() <= MAX_SESSIONS);
    }
}
