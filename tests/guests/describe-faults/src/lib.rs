//! A description with several faults.

use raw::{Description, Failure, Guest, Idle, types};

struct Faulty;

impl Guest for Faulty {
    type User = Idle;

    fn describe() -> Result<Description, String> {
        let mut description = raw::description("faulty");
        let again = description.user_types[0].tasks[0].clone();
        description.user_types[0].tasks.push(again);
        description.user_types[0].tasks[1].next = vec![(7, 1)];
        description.thresholds.push(types::Threshold {
            metric: "http_req_duration".into(),
            tags: vec![],
            condition: "p(95) is small".into(),
            abort_after: None,
        });
        Ok(description)
    }

    fn setup() -> Result<String, Failure> {
        Ok(String::new())
    }

    fn teardown(_: String) -> Result<(), Failure> {
        Ok(())
    }
}

raw::export!(Faulty with_types_in raw);
