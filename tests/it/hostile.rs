//! Scenarios that misbehave, in the real program: it tells what happened and carries on.

use anyhow::Result;
use loadhost_tests::{Program, Shop};

use crate::local::{run, same_count};

#[tokio::test]
async fn users_that_harm_are_reported_and_the_others_go_on() -> Result<()> {
    let shop = Shop::start(&["--delay", "5ms"])?;
    // One of nine users harms: in start, in a task, or where the host gives it an answer.
    for (mode, code) in [
        ("9:start-trap", "trap-unreachable"),
        ("9:loop", "limit-task_cpu"),
        ("9:realloc-loop", "limit-task_cpu"),
        ("9:bodies", "limit-kept_bytes"),
        ("9:panic-numbers", "trap-unreachable"),
    ] {
        let served = shop.requests().await?;
        let outcome = run(&shop, "hostile")?
            .args(["--users", "9", "--run-time", "3s", "--limit", "task_cpu=300ms"])
            .args(["--param", &format!("mode={mode}")])
            .run()?
            .expect_code(0)?;
        let json = outcome.json("out.json")?;
        let requests = json["requests"].as_u64().unwrap_or(0);
        assert_eq!(requests, shop.requests().await? - served, "{mode}");
        assert!(requests > 100, "{mode}: {requests} requests of the healthy users");
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.iter().any(|error| error["code"] == code), "{mode}: {errors:?}");
        assert_eq!(errors.len(), 1, "{mode}: {errors:?}");
        assert!(json["counters"]["crashed_users"].as_u64() >= Some(1), "{mode}");
        assert!(outcome.stdout.contains("users crashed"), "{mode}: {}", outcome.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn what_a_cap_refused_is_named_in_the_summary() -> Result<()> {
    let shop = Shop::start(&[])?;
    let outcome = run(&shop, "hostile")?
        .args(["--users", "2", "--iterations", "10", "--param", "mode=names"])
        .run()?
        .expect_code(0)?;
    same_count(&outcome, &shop).await?;
    assert!(outcome.stdout.contains("refused by `names`"), "{}", outcome.stdout);
    Ok(())
}

#[test]
fn a_module_that_would_take_long_to_compile_is_refused_at_once() -> Result<()> {
    // A thousand empty modules.
    let mut bomb = b"\0asm\x0d\0\x01\0".to_vec();
    bomb.extend(b"\x01\x08\0asm\x01\0\0\0".repeat(1_000));
    let check = Program::new(["check", "bomb.wasm"])?;
    let run = Program::new(["run", "--host", "http://127.0.0.1:9", "--scenario", "bomb.wasm"])?;
    for program in [check, run] {
        let outcome = program.file("bomb.wasm", &bomb)?.run()?.expect_code(110)?;
        outcome.expect_said(&["17 core modules, but at most 16 are accepted"])?;
    }
    Ok(())
}
