//! `describe` sends a request, which nothing may before a run.

use raw::{Description, Failure, Guest, Idle};

struct Calling;

impl Guest for Calling {
    type User = Idle;

    fn describe() -> Result<Description, String> {
        raw::log::log(raw::log::Level::Info, "this is allowed");
        let answer = raw::http::Template::new("GET", "/").send(&[]);
        Err(format!("{answer:?}"))
    }

    fn setup() -> Result<String, Failure> {
        Ok(String::new())
    }

    fn teardown(_: String) -> Result<(), Failure> {
        Ok(())
    }
}

raw::export!(Calling with_types_in raw);
