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

fn arrive(path: &str, access: &Access) -> Outcome {
    get(path).header("x-token", &access.token).send()?;
    Ok(())
}

#[derive(Default)]
struct Reader;

#[user(weight = 3)]
impl Reader {
    #[on_start]
    fn arrive(&mut self, access: &Access) -> Outcome {
        arrive("/items", access)
    }

    #[task]
    fn wait(&mut self, access: &Access) -> Outcome {
        sleep(access.pause)
    }
}

#[derive(Default)]
struct Writer;

#[user]
impl Writer {
    #[on_start]
    fn arrive(&mut self, access: &Access) -> Outcome {
        arrive("/item/1", access)
    }

    #[task]
    fn wait(&mut self, access: &Access) -> Outcome {
        sleep(access.pause)
    }
}

#[derive(Default)]
struct Auditor;

#[user(count = 1)]
impl Auditor {
    #[on_start]
    fn arrive(&mut self, access: &Access) -> Outcome {
        arrive("/", access)
    }

    #[task]
    fn wait(&mut self, access: &Access) -> Outcome {
        sleep(access.pause)
    }
}

export!(Reader, Writer, Auditor);
