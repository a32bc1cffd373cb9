//! The memory of a guest that misbehaves where the host enters it to allocate and to free: in
//! `cabi_realloc`, when a text comes in, and in `cabi_post_…`, once a result was taken out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};

/// What to do at the next turn.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Trap {
    None,
    /// Never return from an allocation.
    AllocateForever,
    /// Hand out an address beyond all memory.
    AllocateNowhere,
    /// Never return from freeing.
    FreeForever,
}

static ARMED: AtomicU8 = AtomicU8::new(Trap::None as u8);

pub(crate) fn arm(trap: Trap) {
    ARMED.store(trap as u8, Ordering::Relaxed);
}

fn is(trap: Trap) -> bool {
    ARMED.load(Ordering::Relaxed) == trap as u8
}

fn forever() {
    loop {
        black_box(0);
    }
}

struct Armed;

#[global_allocator]
static ALLOCATOR: Armed = Armed;

// SAFETY: all but the traps is the system's allocator; what the traps hand out, nobody but the
// host ever looks at.
unsafe impl GlobalAlloc for Armed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is(Trap::AllocateForever) {
            forever();
        }
        if is(Trap::AllocateNowhere) {
            return std::ptr::without_provenance_mut(0xffff_ff00);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if is(Trap::FreeForever) {
            forever();
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}
