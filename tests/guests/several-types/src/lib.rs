//! Users of three types, of which each is seen once by the target, at an address of its type.

use loadhost_sdk::prelude::*;

#[derive(Params)]
struct Access {
    /// What the shop wants to be told
    #[param(secret)]
    token: String,
    /// Until a user looks up again
    #[param(default = "50ms")]
    pause: Duration,
}

/// A user that says to the target that it is there, and stays.
macro_rules! visitor {
    ($name:ident, $path:literal $(, $($how:tt)*)?) => {
        #[derive(Default)]
        struct $name;

        #[user($($($how)*)?)]
        impl $name {
            #[on_start]
            fn arrive(&mut self, access: &Access) -> Outcome {
                get($path).header("x-token", &access.token).send()?;
                Ok(())
            }

            #[task]
            fn wait(&mut self, access: &Access) -> Outcome {
                sleep(access.pause)
            }
        }
    };
}

visitor!(Reader, "/items", weight = 3);
visitor!(Writer, "/item/1");
visitor!(Auditor, "/", count = 1);

export!(Reader, Writer, Auditor);
