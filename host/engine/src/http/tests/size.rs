//! How much a request takes while it is under way: each user that waits for an answer holds it.

use super::*;

/// The bindings add less than 160 bytes, and glibc hands out up to 1,032 without a lock.
const ROOM: usize = 872;

#[test]
fn a_request_under_way_is_small_enough_for_the_fast_way_through_the_allocator() {
    let mut client = client("http://127.0.0.1:1");
    let template = Template::new("GET", "/").unwrap();
    let size = size_of_val(&client.send(&template, &[], Keep::Summary));
    assert!(size <= ROOM, "{size} bytes");
}
