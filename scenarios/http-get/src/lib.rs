//! The smallest scenario: each user fetches one page, over and over.
//!
//! ```text
//! loadhost run --scenario http_get.wasm --host http://127.0.0.1:8000 --users 10 --run-time 10s
//! ```
//!
//! A user sends its next request as soon as it has the answer, or after `--param pause=2s`.
//! Which page is a parameter too: `--param path=/items`.

use loadhost_sdk::prelude::*;

#[derive(Params)]
struct Page {
    /// What to fetch
    #[param(default = "/")]
    path: String,
    /// Pause after each request
    #[param(default = "0s")]
    pause: Duration,
}

#[derive(Default)]
struct Visitor;

#[user]
impl Visitor {
    #[task]
    fn fetch(&mut self, page: &Page) -> Outcome {
        get(&page.path).send()?;
        if page.pause.is_zero() { Ok(()) } else { sleep(page.pause) }
    }
}

export!(Visitor);

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_sdk::test::{Reply, World};

    #[test]
    fn the_page_is_a_parameter() {
        let world = World::new().param("path", "/items").on("GET", "/items", Reply::status(200));
        let mut visitor = world.user::<Visitor>();
        visitor.run("fetch").unwrap();
        visitor.run("fetch").unwrap();
        assert_eq!(world.sent_to("GET", "/items").len(), 2);
        assert_eq!(world.slept(), Duration::ZERO);
    }

    #[test]
    fn a_pause_follows_each_request() {
        let world = World::new().param("pause", "2s").on("GET", "/", Reply::status(200));
        world.user::<Visitor>().run("fetch").unwrap();
        assert_eq!(world.slept(), Duration::from_secs(2));
    }

    #[test]
    fn an_error_of_the_server_fails_the_task() {
        let world = World::new().on("GET", "/", Reply::status(500));
        let failure = world.user::<Visitor>().run("fetch").unwrap_err();
        assert!(failure.message().contains("GET /: answered 500"), "{failure}");
    }
}
