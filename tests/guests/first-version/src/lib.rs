//! What users run until the second version of it comes.

use loadhost_sdk::prelude::*;

#[derive(Default)]
struct Visitor;

#[user]
impl Visitor {
    #[task]
    fn look(&mut self) -> Outcome {
        get("/items").send()?;
        sleep(millis(10))
    }

    #[on_stop]
    fn leave(&mut self) -> Outcome {
        shared_counter("left the first").add(1).map(drop)
    }
}

export!(Visitor);
