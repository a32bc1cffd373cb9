//! A guest that harms in the way its parameter `mode` names. Each must harm only itself.
//!
//! A mode `start-X`, `stop-X` or `new-X` harms in that hook, any other one in the task.

mod allocator;
mod big;

use std::hint::black_box;

use raw::{
    Description, Failure, Guest, GuestUser, UserContext, data, http, log, metrics, time, types,
};

use allocator::{Trap, arm};

struct Hostile;

struct User {
    mode: String,
}

impl Guest for Hostile {
    type User = User;

    fn describe() -> Result<Description, String> {
        let mut description = raw::description("hostile");
        description.parameters.push(types::Parameter {
            name: "mode".into(),
            kind: "string".into(),
            default: Some("healthy".into()),
            help: "What to do".into(),
            secret: false,
        });
        Ok(description)
    }

    fn setup() -> Result<String, Failure> {
        match data::param("mode").unwrap_or_default().as_str() {
            "setup-trap" => panic!("no setup"),
            "setup-fail" => Err(Failure::AbortRun("the shop is closed".into())),
            _ => Ok("from setup".into()),
        }
    }

    fn teardown(setup_data: String) -> Result<(), Failure> {
        assert_eq!(setup_data, "from setup");
        Ok(())
    }
}

impl GuestUser for User {
    fn new(_: u32, ctx: UserContext) -> Self {
        // Some of a fleet may be healthy: `3:task-loop` harms in each third user.
        let mode = data::param("mode").unwrap_or_default();
        let mode = match mode.split_once(':') {
            Some((every, _)) if ctx.user_id % every.parse::<u64>().unwrap() != 0 => {
                "healthy".into()
            }
            Some((_, mode)) => mode.to_string(),
            None => mode,
        };
        if let Some(attack) = mode.strip_prefix("new-") {
            harm(attack).unwrap();
        }
        Self { mode }
    }

    fn on_start(&self) -> Result<(), Failure> {
        self.mode.strip_prefix("start-").map_or(Ok(()), harm)
    }

    fn run_task(&self, _: u32) -> Result<(), Failure> {
        if self.mode.starts_with("start-") || self.mode.starts_with("stop-") {
            return Ok(());
        }
        harm(&self.mode)
    }

    fn on_stop(&self) -> Result<(), Failure> {
        self.mode.strip_prefix("stop-").map_or(Ok(()), harm)
    }
}

fn harm(attack: &str) -> Result<(), Failure> {
    match attack {
        "healthy" => {
            let template = http::Template::new("GET", "/");
            template.send(&[]).map_err(|error| Failure::Failed(format!("{error:?}")))?;
        }
        "idle" => {}
        "loop" => loop {
            black_box(0);
        },
        "busy" => {
            // A while of computing, within the limits.
            let mut sum = 0u64;
            (0..50_000_000u64).for_each(|n| sum = black_box(sum.wrapping_add(n)));
        }
        "trap" => panic!("no such item"),
        "overflow" => {
            black_box(recurse(black_box(0)));
        }
        "deep" => {
            black_box(descend(black_box(1)));
        }
        // The host brings a text, and asks for memory for it.
        "realloc-loop" | "realloc-nowhere" => {
            let nowhere = attack == "realloc-nowhere";
            arm(if nowhere { Trap::AllocateNowhere } else { Trap::AllocateForever });
            data::param("mode");
        }
        // The host took the text, and says that it may be freed.
        "post-return-loop" => {
            let why = "the cart is empty".to_string();
            arm(Trap::FreeForever);
            return Err(Failure::Failed(why));
        }
        "panic-numbers" => {
            let list = [0u8; 3];
            let index = 3 + time::random() as usize % 1_000_000;
            black_box(list[black_box(index)]);
        }
        "divide" => {
            black_box(1 / black_box(0));
        }
        "exit" => std::process::exit(3),
        "fail" => return Err(Failure::Failed("the cart is empty".into())),
        "stop" => return Err(Failure::StopUser("done here".into())),
        "abort" => return Err(Failure::AbortRun("the shop is gone".into())),
        _ => return flood(attack),
    }
    Ok(())
}

fn flood(attack: &str) -> Result<(), Failure> {
    match attack {
        "memory-bomb" => {
            black_box(vec![1u8; 512 << 20]);
        }
        "small-grows" => {
            let mut kept = Vec::new();
            loop {
                kept.push(black_box(vec![1u8; 256 << 10]));
            }
        }
        "handles" => {
            let mut kept = Vec::new();
            loop {
                kept.push(http::Template::new("GET", "/"));
            }
        }
        "host-calls" => loop {
            time::now();
        },
        "sleep" => {
            time::sleep(u64::MAX).map_err(|()| Failure::Failed("woken".into()))?;
        }
        "random" => {
            // The standard library asks the system for the keys of each new thread's maps.
            let _ = std::collections::HashMap::<u8, u8>::new();
            (0..1_000).for_each(|_| {
                black_box(time::random());
            });
        }
        "log" => (0..50_000).for_each(|n| log::log(log::Level::Info, &format!("line {n}"))),
        "long-log" => log::log(log::Level::Info, &"x".repeat(1 << 20)),
        "escapes" => {
            log::log(log::Level::Info, "\x1b[2J\x1b]0;owned\x07 red\r\nsecond");
            println!("\x1b[31mout\x1b[0m");
        }
        "stdout" => (0..5_000).for_each(|n| println!("out {n}")),
        "stderr" => (0..5_000).for_each(|n| eprintln!("err {n}")),
        "metrics" => {
            (0..2_000).for_each(|n| {
                metrics::Metric::new(&format!("m{n}"), metrics::Kind::Counter, "").add(1.0, &[])
            });
        }
        "checks" => (0..5_000).for_each(|n| {
            metrics::check(&format!("check {n}"), true);
        }),
        "names" => {
            for n in 0..2_000 {
                let template = http::Template::new("GET", "/");
                template.name(&format!("page {n}"), &[]);
                let _ = template.send(&[]);
            }
        }
        "tags" => {
            let metric = metrics::Metric::new("tagged", metrics::Kind::Trend, "ms");
            (0..50_000).for_each(|n| metric.add(1.0, &[("id".into(), n.to_string())]));
        }
        "kinds" => {
            let _first = metrics::Metric::new("one", metrics::Kind::Counter, "");
            let _second = metrics::Metric::new("one", metrics::Kind::Trend, "");
        }
        "groups" => (0..100_000).for_each(|n| metrics::group_begin(&format!("g{n}"))),
        "log-levels" => {
            for level in [log::Level::Trace, log::Level::Debug, log::Level::Info] {
                if log::enabled(level) {
                    log::log(level, "wanted");
                }
            }
            // Without asking.
            log::log(log::Level::Trace, "not asked");
            log::log(log::Level::Info, "not asked");
        }
        "shared-names" => {
            let refused = (0..50_000).filter(|n| data::counter_add(&format!("n{n}"), 1).is_err());
            return Err(Failure::Failed(format!("{} refused", refused.count())));
        }
        "shared-long-name" => {
            let long = "x".repeat(1 << 20);
            let why = data::unique_number(&long).unwrap_err();
            return Err(Failure::Failed(why));
        }
        "rendezvous" => {
            let met = data::rendezvous("sale", u32::MAX, u64::MAX);
            return Err(Failure::Failed(format!("{met:?}")));
        }
        "rendezvous-sizes" => {
            data::rendezvous("sale", 2, 0).unwrap();
            return Err(Failure::Failed(data::rendezvous("sale", 3, 0).unwrap_err()));
        }
        "row" => {
            let users = data::Feeder::open("users", &[]).unwrap();
            let cells = |row: data::Row| {
                row.into_iter().map(|cell| (cell.column, cell.value)).collect::<Vec<_>>()
            };
            return Err(Failure::Failed(format!("{:?}", users.next().map(|row| row.map(cells)))));
        }
        "drain" => {
            let users = data::Feeder::open("users", &[]).unwrap();
            let begun = time::now();
            let rows = std::iter::from_fn(|| users.next().unwrap()).count();
            let each = (time::now() - begun) / rows as u64;
            log::log(log::Level::Info, &format!("{each} ns each"));
            return Err(Failure::Failed(format!("{rows} rows")));
        }
        "feeders" => {
            let mut kept = Vec::new();
            loop {
                kept.push(data::Feeder::open("users", &[]).unwrap());
            }
        }
        "feeder-columns" => {
            let columns = vec!["name".to_string(); 50_000];
            let why = data::Feeder::open("users", &columns).map(drop).unwrap_err();
            return Err(Failure::Failed(why));
        }
        "done" => return Err(Failure::Done),
        "nan" => metrics::Metric::new("odd", metrics::Kind::Gauge, "").add(f64::NAN, &[]),
        _ => return big::harm(attack).unwrap_or_else(|| request(attack)),
    }
    Ok(())
}

fn request(attack: &str) -> Result<(), Failure> {
    let template = http::Template::new("GET", "/");
    match attack {
        "crlf" => template.header("x-a", "1\r\nx-injected: 2"),
        "metadata" => {
            let template = http::Template::new("GET", "http://169.254.169.254/latest");
            return outcome(template.send(&[]).map(|_| ()));
        }
        "batch" => {
            let request = || http::Request {
                method: "GET".into(),
                url: "/".into(),
                headers: vec![],
                body: http::Body::None,
                name: None,
                tags: vec![],
                options: vec![],
            };
            let requests: Vec<_> = (0..1_000).map(|_| request()).collect();
            return http::send_all(&requests)
                .into_iter()
                .try_for_each(|answer| outcome(answer.map(|_| ())));
        }
        "batch-templates" => {
            let templates: Vec<_> = (0..1_000).map(|_| http::Template::new("GET", "/")).collect();
            let requests: Vec<_> = templates.iter().map(|template| (template, vec![])).collect();
            return http::send_templates(&requests)
                .into_iter()
                .try_for_each(|answer| outcome(answer.map(|_| ())));
        }
        "hold" => {
            // The answer is still held when the task ends.
            let answer =
                template.fetch(&[]).map_err(|error| Failure::Failed(format!("{error:?}")))?;
            std::mem::forget(answer);
            return Ok(());
        }
        "mark" => {
            let answer =
                template.fetch(&[]).map_err(|error| Failure::Failed(format!("{error:?}")))?;
            answer.mark(Err("no price"));
            return Ok(());
        }
        "url" => {
            let template = http::Template::new("GET", "http://a b/");
            return outcome(template.send(&[]).map(|_| ()));
        }
        other => panic!("unknown mode `{other}`"),
    }
    outcome(template.send(&[]).map(|_| ()))
}

fn outcome(answer: Result<(), http::Error>) -> Result<(), Failure> {
    answer.map_err(|error| Failure::Failed(format!("{error:?}")))
}

#[allow(unconditional_recursion)]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let pad = black_box([depth; 64]);
    recurse(depth + 1) + pad[(depth % 64) as usize]
}

/// As above, but for the machine's stack: nothing of it is in linear memory.
#[allow(unconditional_recursion)]
#[inline(never)]
fn descend(depth: u64) -> u64 {
    let below = descend(depth.wrapping_mul(3));
    below.rotate_left((below & 7) as u32) ^ depth
}

raw::export!(Hostile with_types_in raw);
