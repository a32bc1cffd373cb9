//! The contract without an SDK: guests that misbehave want no help.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "scenario",
    pub_export_macro: true,
    default_bindings_module: "raw",
});

pub use exports::loadhost::scenario::guest::{Description, Failure, Guest, GuestUser, UserContext};
pub use loadhost::scenario::{data, http, log, metrics, time, types};

/// One user type `Guest` with one task `attack`.
pub fn description(name: &str) -> Description {
    let task = types::Task {
        name: "attack".into(),
        weight: 1,
        tags: vec![],
        wait: None,
        group: None,
        next: vec![],
    };
    let user_type = types::UserType {
        name: "Guest".into(),
        weight: 1,
        fixed_count: None,
        wait: types::WaitTime::None,
        order: types::Order::Weighted,
        tasks: vec![task],
        groups: vec![],
    };
    Description {
        name: name.into(),
        version: None,
        sdk: None,
        user_types: vec![user_type],
        thresholds: vec![],
        data_sets: vec![],
        hosts: vec![],
        parameters: vec![],
        settings: vec![],
    }
}

/// A user that does nothing.
pub struct Idle;

impl GuestUser for Idle {
    fn new(_: u32, _: UserContext) -> Self {
        Idle
    }

    fn on_start(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn run_task(&self, _: u32) -> Result<(), Failure> {
        Ok(())
    }

    fn on_stop(&self) -> Result<(), Failure> {
        Ok(())
    }
}
