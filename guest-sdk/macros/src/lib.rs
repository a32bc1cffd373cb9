//! The attribute and derive macros of loadhost-sdk.
//!
//! Each macro is read into a plain struct by one module and written out by the same; faults
//! are reported at the author's own tokens, all of one impl at once.

use proc_macro::TokenStream;

mod duration;
mod export;
mod params;
mod task;
mod text;
mod user;
mod wait;

/// Makes a type a kind of user: `#[user(weight = 3, wait = "1s..3s")] impl Shopper { … }`.
///
/// The type needs `Default`; each user starts with `Shopper::default()`.
///
/// | argument | meaning |
/// |---|---|
/// | `weight = 3` | among the user types; 1 if absent |
/// | `count = 2` | exactly so many users, whatever the weights say |
/// | `wait = "1s..3s"` | pause after each task: `none`, `"2s"`, `"1s..3s"`, `pacing("1s")`, `throughput(2.0)` (tasks per second), `exponential("1s")` |
/// | `order = sequential` | `weighted` (if absent), `sequential`, `shuffled`, `markov` |
/// | `group(name = "browse", weight = 2, order = …, rounds = "2..5", tags("a"), parent = "…")` | tasks that belong together: `#[task(group = "browse")]` |
/// | `name = "Shopper"` | in reports; the type's name if absent |
#[proc_macro_attribute]
pub fn user(arguments: TokenStream, item: TokenStream) -> TokenStream {
    user::expand(arguments.into(), item.into()).into()
}

/// Marks a method as a task, inside of an `impl` with `#[user]`.
///
/// `fn(&mut self, …) -> Outcome`, or without a result. Further arguments are what a user is
/// given: `&YourParams`, `&Setup<T>`, `&Context`.
///
/// | argument | meaning |
/// |---|---|
/// | `weight = 5`, or just `5` | among its siblings; 0: only by name (`--task`) |
/// | `tags("buy", "slow")` | for `--tags` and `--exclude-tags` |
/// | `wait = …` | instead of the user's, as there |
/// | `group = "browse"` | stands in this group of the user |
/// | `next(checkout = 3, browse = 1)` | where to go from here, for `order = markov` |
/// | `name = "browse"` | in reports; the method's name if absent |
#[proc_macro_attribute]
pub fn task(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    misplaced("task", item)
}

/// Marks a method that runs before a user's first task, inside of an `impl` with `#[user]`.
#[proc_macro_attribute]
pub fn on_start(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    misplaced("on_start", item)
}

/// Marks a method that runs after a user's last task, inside of an `impl` with `#[user]`.
#[proc_macro_attribute]
pub fn on_stop(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    misplaced("on_stop", item)
}

/// Reads parameters of the run into a struct: `--param items=5`.
///
/// The doc comment of a field is its help. `#[param(…)]` on a field: `default = 3` (without
/// it the run must give a value), `secret` (never shown), `choice("a", "b")`, `kind = "url"`,
/// `name = "…"`. Types: texts, numbers, `bool`, `Duration`, and `Option` of these.
#[proc_macro_derive(Params, attributes(param))]
pub fn params(item: TokenStream) -> TokenStream {
    params::expand(item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a scenario of user types: `export!(Shopper, Admin; setup = make_data)`.
///
/// | argument | meaning |
/// |---|---|
/// | `setup = make_data` | a function that runs once per run; users get what it returns as `&Setup<T>` |
/// | `teardown = clean` | a function that runs once at the end |
/// | `shape = Spike` | a `LoadShape` that says how many users run |
/// | `thresholds = ["checks > 99%", abort("http_req_failed rate < 5%", after = "10s")]` | what must hold |
/// | `settings = { users: 10, "run-time": "30s" }` | proposals for the run, weaker than flags |
/// | `data = ["users"]` | data sets that it reads: `--data users=FILE` |
/// | `hosts = ["cdn.example.com"]` | hosts besides the run's target |
/// | `params = Shop` | parameters that are only asked for by `given()` |
/// | `name = "…"` | instead of the package's name |
#[proc_macro]
pub fn export(arguments: TokenStream) -> TokenStream {
    export::expand(arguments.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn misplaced(what: &str, item: TokenStream) -> TokenStream {
    let text = format!("`#[{what}]` stands on a method of an `impl` block with `#[user]`");
    let item = proc_macro2::TokenStream::from(item);
    let fault = syn::Error::new_spanned(&item, text).into_compile_error();
    quote::quote!(#fault #item).into()
}
