//! `describe` never returns.

use raw::{Description, Failure, Guest, Idle};

struct Looping;

impl Guest for Looping {
    type User = Idle;

    fn describe() -> Result<Description, String> {
        loop {
            std::hint::black_box(0);
        }
    }

    fn setup() -> Result<String, Failure> {
        Ok(String::new())
    }

    fn teardown(_: String) -> Result<(), Failure> {
        Ok(())
    }
}

raw::export!(Looping with_types_in raw);
