//! Buffers that belong to the thread, lent for the length of a function call.
//!
//! A user that waits for an answer holds no buffer: ten thousand of them share these two.

use std::cell::RefCell;

/// Bytes read at once at most.
const READ: usize = 64 << 10;
/// A request buffer that has grown beyond this is given back.
const WRITE_KEPT: usize = 256 << 10;

thread_local! {
    static IN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the buffer for received bytes. Within `work` it cannot be lent again.
pub(super) fn with_in<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    IN.with_borrow_mut(|buffer| {
        if buffer.is_empty() {
            buffer.resize(READ, 0);
        }
        work(buffer)
    })
}

/// Lends the empty buffer for bytes to send. Within `work` it cannot be lent again.
pub(super) fn with_out<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    OUT.with_borrow_mut(|buffer| {
        buffer.clear();
        let result = work(buffer);
        if buffer.capacity() > WRITE_KEPT {
            *buffer = Vec::new();
        }
        result
    })
}
