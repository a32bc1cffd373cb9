use loadhost_sdk::prelude::*;
#[derive(Default)]
struct V;
#[user]
impl V { #[task] fn fetch(&mut self) -> Outcome { get("/").send()?; Ok(()) } }
export!(V);
