//! Write load-test scenarios for loadhost in Rust.
//!
//! A scenario is a set of user types. [`#[user]`](user) turns a struct and its methods into one,
//! [`export!`] makes a WebAssembly component of them, and loadhost runs as many users as it is
//! told to, sends their requests, waits between their tasks, and measures.
//!
//! ```
//! use loadhost_sdk::prelude::*;
//!
//! #[derive(Default)]
//! struct Reader {
//!     pages: u32,
//! }
//!
//! #[user(wait = "1s..3s")]
//! impl Reader {
//!     #[task(weight = 3)]
//!     fn read(&mut self) -> Outcome {
//!         get("/page/{n}").with(range(1..=9)).send()?;
//!         self.pages += 1;
//!         Ok(())
//!     }
//!
//!     #[task]
//!     fn subscribe(&mut self) -> Outcome {
//!         post("/subscribe").json(&json!({ "pages": self.pages })).expect_status(201).send()?;
//!         Ok(())
//!     }
//! }
//!
//! export!(Reader);
//! ```
//!
//! # A tour
//!
//! **Users.** Each user is a value of its own: state goes into fields, `Default` makes the first
//! one. [`#[on_start]`](on_start) and [`#[on_stop]`](on_stop) run once per user. Weights, waits, order
//! and groups of tasks are arguments of [`#[user]`](user) and [`#[task]`](task). The host does the
//! waiting between tasks; [`prelude::sleep`] is for pauses within one.
//!
//! **Requests.** [`prelude::get`], [`prelude::post`] and their like describe a
//! [`Request`](http::Request). A value goes into a `{place}` of the URL by
//! [`with`](http::Request::with), so that all items count as one line of the report.
//! [`send`](http::Request::send) gives status, size and time and is the cheapest;
//! [`fetch`](http::Request::fetch) keeps headers and body to look into;
//! [`catch`](http::Request::catch) takes any answer and leaves the verdict to you;
//! [`prelude::batch`] sends several at once. The host keeps cookies and connections.
//!
//! ```
//! # use loadhost_sdk::prelude::*;
//! # use loadhost_sdk::test::{Reply, World};
//! # let world = World::new().on("GET", "/items", Reply::json(200, json!({"items": [{"id": 7}]})))
//! #     .on("GET", "/stock", Reply::status(404)).on("POST", "/login", Reply::status(200));
//! # fn example() -> Outcome {
//! post("/login").form([("user", "ann"), ("password", "secret")]).send()?;
//! let first: u32 = get("/items").header("Accept-Language", "de").fetch()?.json_at("/items/0/id")?;
//!
//! let stock = get("/stock").timeout(secs(2.0)).catch()?;
//! match stock.status() {
//!     404 => stock.mark_succeeded(),   // sold out is no fault
//!     _ if !stock.contains("units") => stock.mark_failed("no units"),
//!     _ => &stock,
//! };
//! # assert_eq!(first, 7);
//! # Ok(())
//! # }
//! # example().unwrap();
//! # assert!(world.failed().is_empty());
//! ```
//!
//! **Failures.** A request without an answer, or with one that is not as expected (status 400
//! and above, unless `expect_status` says otherwise), is counted by the host and is an
//! [`Error`](http::Error); `?` ends the task and counts it as failed, with the line of the source.
//! [`fail`] fails this iteration, [`stop_user`] ends this user, [`abort_run`] the run, and [`done`] ends the
//! user without a failure;
//! [`OrFail`] makes them of what is missing: `items.first().or_fail("no items")?`.
//!
//! **Arguments.** What a hook or task needs, it names: [`#[derive(Params)]`](Params) structs hold
//! parameters of the run (`--param items=5`), [`Setup<T>`] what the scenario's `setup` returned,
//! [`Context`] who this user is.
//!
//! ```
//! # use loadhost_sdk::prelude::*;
//! #[derive(Params)]
//! struct Shop {
//!     /// How many items to buy
//!     #[param(default = 3)]
//!     items: u32,
//! }
//!
//! fn make_catalogue(shop: &Shop) -> Outcome<Vec<u32>> {
//!     Ok((1..=shop.items).collect())
//! }
//!
//! #[derive(Default)]
//! struct Shopper;
//!
//! #[user]
//! impl Shopper {
//!     #[task]
//!     fn buy(&mut self, catalogue: &Setup<Vec<u32>>, me: &Context) -> Outcome {
//!         let item = pick(catalogue).or_stop_user("sold out")?;
//!         debug!("user {} buys {item}", me.user_id);
//!         Ok(())
//!     }
//! }
//!
//! export!(Shopper; setup = make_catalogue);
//! ```
//!
//! **Checks and metrics.** [`prelude::check`] counts a named condition, [`prelude::group`] puts what it
//! encloses under a name, [`prelude::counter`], [`prelude::gauge`], [`prelude::rate`] and
//! [`prelude::trend`] are metrics of your own. Thresholds in [`export!`] may be about any of them.
//!
//! **Data.** A scenario that reads the data set `users` says so in [`export!`], and who starts the run gives
//! it: `--data users=users.csv`. [`prelude::rows`] takes the next row, by default one that nobody else
//! gets; when there are none left, `?` ends the user without a failure.
//!
//! ```
//! # use loadhost_sdk::prelude::*;
//! # use loadhost_sdk::test::{Reply, World};
//! #[derive(serde::Deserialize)]
//! struct Customer {
//!     name: String,
//!     password: String,
//! }
//!
//! #[derive(Default)]
//! struct Shopper;
//!
//! #[user]
//! impl Shopper {
//!     #[task]
//!     fn buy(&mut self) -> Outcome {
//!         let customer: Customer = rows("users").next()?.parse()?;
//!         post("/login").form([("user", &customer.name), ("password", &customer.password)]).send()?;
//!         rendezvous("sale", 50).within(secs(30.0))?;
//!         post("/order/{id}").with(unique_number("order")?).send()?;
//!         Ok(())
//!     }
//! }
//!
//! export!(Shopper; data = ["users"]);
//! # let world = World::new().rows("users", [[("name", "anna"), ("password", "x")]])
//! #     .on("POST", "/login", Reply::status(200)).on("POST", "/order/0", Reply::status(201));
//! # world.user::<Shopper>().run("buy").unwrap();
//! ```
//!
//! **The whole run.** [`prelude::unique_number`], [`prelude::shared_counter`] and
//! [`prelude::rendezvous`] are shared by all users, on whichever workers they run.
//!
//! **Chance.** [`prelude::range`], [`prelude::pick`], [`prelude::chance`] and
//! [`prelude::shuffle`] are seeded per run and user, so that a run can be repeated.
//!
//! **Load.** How many users run, or how many iterations start per second, is up to who starts the
//! run; a scenario may propose `settings`, or steer by itself with a [`LoadShape`].
//!
//! **Tests.** Compiled natively, all of this talks to a [`test::World`].

// The macros write `::loadhost_sdk::…`, here as elsewhere.
extern crate self as loadhost_sdk;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
pub mod data;
pub mod description;
mod duration;
#[cfg(target_arch = "wasm32")]
mod export;
mod failure;
mod host;
pub mod http;
#[doc(hidden)]
pub mod log;
pub mod metrics;
mod params;
pub mod prelude;
mod random;
mod scenario;
mod scope;
mod shape;
pub mod shared;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;
mod time;
mod user;

pub use failure::{Failure, IntoOutcome, OrFail, Outcome, abort_run, done, fail, stop_user};
pub use loadhost_sdk_macros::{Params, export, on_start, on_stop, task, user};
pub use params::ParamValue;
pub use scenario::ScenarioDefinition;
pub use scope::{Context, Given, Hook, Scope, Setup, given};
pub use serde_json::json;
pub use shape::{LoadShape, Now, Target};
pub use user::{AnyUser, User};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What the macros write code with. Not for authors; changes without notice.
#[doc(hidden)]
pub mod private {
    #[cfg(target_arch = "wasm32")]
    pub use crate::export::{Export, ExportShape};
    pub use crate::scenario::merge_parameters;
    use serde::Serialize;

    use crate::failure::{Failure, Outcome};
    use crate::params::ParamValue;

    /// A parameter's value in this run.
    pub fn param_value<T: ParamValue>(name: &str, default: Option<&str>) -> Outcome<T> {
        let text = crate::host::param(name);
        let Some(text) = text.as_deref().or(default).or(T::ABSENT) else {
            return Err(Failure::AbortRun(format!(
                "parameter `{name}` has no value: give `--param {name}=…`"
            )));
        };
        T::parse(text).map_err(|why| Failure::AbortRun(format!("parameter `{name}`: {why}")))
    }

    /// What `setup` returned, as text.
    pub fn to_setup_data<T: Serialize>(data: &T) -> Outcome<String> {
        let fault = |error| Failure::AbortRun(format!("the setup data has no JSON form: {error}"));
        serde_json::to_string(data).map_err(fault)
    }
}

/// Writes the exports of a component; nothing when compiled natively.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($scenario:ident $(, $shape:ty)?) => {
        const _: () = {
            type Component = $crate::private::Export<$scenario>;
            $crate::bindings::scenario::export_scenario!(Component with_types_in $crate::bindings::scenario);
            $(
                type Shape = $crate::private::ExportShape<$shape>;
                $crate::bindings::shape::export_shape!(Shape with_types_in $crate::bindings::shape);
            )?
        };
    };
}

/// Writes the exports of a component; nothing when compiled natively.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($scenario:ident $(, $shape:ty)?) => {
        $(const _: fn() -> $shape = <$shape as ::core::default::Default>::default;)?
    };
}
