use loadhost_sdk::prelude::*;

struct NotDefault;

#[user]
impl NotDefault {
    #[task]
    fn work(&mut self) {}
}

struct NotGiven;

#[derive(Default)]
struct Shopper;

#[user]
impl Shopper {
    #[task]
    fn ask(&mut self, what: &NotGiven) {}

    #[task]
    fn answer(&mut self) -> u32 {
        42
    }
}

#[derive(Params)]
struct Shop {
    items: Vec<u32>,
}

fn wrong_setup(count: u32) -> u32 {
    count
}

export!(Shopper, NotAUser; setup = wrong_setup);

struct NotAUser;

fn main() {}
