use loadhost_sdk::prelude::*;

#[derive(Default)]
struct A;

#[user(wait = "3s..1s")]
impl A {
    #[task]
    fn work(&mut self) {}
}

#[derive(Default)]
struct B;

#[user]
impl B {
    #[task(wieght = 3)]
    fn first(&mut self) {}

    #[task]
    async fn second(&mut self) {}

    #[task]
    fn third(&mut self, _shop: String) {}
}

#[derive(Default)]
struct C;

#[user]
impl C {
    #[task(group = "browse")]
    fn work(&mut self) {}
}

#[derive(Default)]
struct D;

#[user(order = markov)]
impl D {
    #[task(next(nowhere = 2))]
    fn work(&mut self) {}
}

#[user]
impl D {
    fn idle(&mut self) {}
}

#[task]
fn alone() {}

#[derive(Params)]
struct Shop {
    #[param(default = "many")]
    items: u32,
}

export!(A; thresholds = ["checks"]);

#[derive(Default)]
struct E;

#[user]
impl E {
    #[task]
    fn work(&mut self) {}
}

mod twice {
    use super::*;
    export!(E; data = ["users", "users"]);
}

fn main() {}
