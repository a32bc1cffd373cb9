//! What users of the first version go over to: the same user type, another task.

use loadhost_sdk::prelude::*;

#[derive(Default)]
struct Visitor;

#[user]
impl Visitor {
    #[on_start]
    fn begin(&mut self) -> Outcome {
        shared_counter("begun on the second").add(1).map(drop)
    }

    #[task]
    fn glance(&mut self) -> Outcome {
        get("/").send()?;
        sleep(millis(10))
    }
}

export!(Visitor);
