//! Wrong inputs: each gets a clear error, a remedy and an exit code of its own.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, Result};
use loadhost_tests::{Outcome, Program, Shop, scenario};

/// What goes wrong, how it is provoked, and what must be said.
fn cases(shop: &Shop) -> Result<Vec<(&'static str, Program, Vec<&'static str>)>> {
    let run = || Program::new(["run", "--host", shop.url(), "--users", "1", "--run-time", "1s"]);
    let http_get = scenario("http-get")?;
    Ok(vec![
        (
            "a text file",
            run()?.file("notes.wasm", "not wasm")?.args(["--scenario", "notes.wasm"]),
            vec!["notes.wasm", "hint"],
        ),
        ("no such file", run()?.args(["--scenario", "absent.wasm"]), vec!["absent.wasm", "hint"]),
        (
            "another world",
            run()?.args(["--scenario"]).args([scenario("other-world")?]),
            vec!["other_world", "guest", "hint"],
        ),
        (
            "a newer contract",
            run()?.args(["--scenario"]).args([scenario("newer-contract")?]),
            vec!["0.2", "0.1", "hint"],
        ),
        (
            "an unknown parameter",
            run()?.args(["--param", "colour=red", "--scenario"]).args([&http_get]),
            vec!["colour", "hint"],
        ),
        (
            "an unknown flag",
            run()?.args(["--scenario"]).args([&http_get]).args(["--usres", "3"]),
            vec!["--users"],
        ),
        (
            "no time to prepare",
            run()?.args(["--prepare-timeout", "0s", "--scenario"]).args([&http_get]),
            vec!["prepare-timeout", "from 1s to 1h", "hint"],
        ),
        (
            "a port in use",
            Program::new(["demo-shop", "--listen", shop.url().trim_start_matches("http://")])?,
            vec!["in use", "hint"],
        ),
        (
            "a target that refuses",
            Program::new([
                "run",
                "--host",
                &closed_port()?,
                "--users",
                "1",
                "--run-time",
                "2s",
                "--scenario",
            ])?
            .args([&http_get]),
            vec!["refused", "hint"],
        ),
        (
            "no broker",
            Program::new([
                "worker",
                "--nats",
                &closed_port()?.replace("http", "nats"),
                "--max-wait",
                "2s",
            ])?,
            vec!["nats", "hint"],
        ),
    ])
}

fn closed_port() -> Result<String> {
    Ok(format!("http://{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?))
}

#[tokio::test]
async fn each_wrong_input_has_a_clear_error_and_a_code_of_its_own() -> Result<()> {
    let shop = Shop::start(&[])?;
    let mut codes = BTreeMap::new();
    for (what, program, texts) in cases(&shop)? {
        let outcome: Outcome = program.run()?.expect_said(&texts).context(what)?;
        let code = outcome.code.context("ended by a signal")?;
        assert!(code != 0 && code != 101, "{what}: {code}\n{}", outcome.stderr);
        let same = codes.insert(code, what);
        let both_configuration = code == 104 || code == 2;
        assert!(same.is_none() || both_configuration, "{what} and {same:?} both end with {code}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_key_in_the_file_is_refused_with_a_suggestion() -> Result<()> {
    let program = Program::new(["run", "--scenario"])?
        .args([scenario("http-get")?])
        .file("loadhost.toml", "users = 3\nmax_usres = 5\n")?;
    program.run()?.expect_code(104)?.expect_said(&["loadhost.toml:2", "did you mean"])?;
    Ok(())
}

#[test]
fn a_setting_that_is_wrong_is_told_at_once_and_not_after_a_minute_without_a_broker() -> Result<()> {
    let nowhere = closed_port()?.replace("http", "nats");
    let cases = [
        ("master", "--expect-workers=abc", "whole number"),
        ("master", "--users=many", "whole number"),
        ("master", "--threshold=x", "a comparison is missing"),
        ("master", "--log-level=loud", "`loud` is no level"),
        ("master", "--listen=127.0.0.1:abc", "it is no address"),
        ("master", "--listen=0.0.0.0:8089", "have people log in with --web-users"),
        ("master", "--web-users=/nowhere", "loadhost user add"),
        ("master", "--tls-cert=/nowhere", "give both --tls-cert FILE and --tls-key FILE"),
        ("master", "--drain-delay=x", "is no duration"),
        ("worker", "--max-users=abc", "whole number"),
        ("worker", "--shards=abc", "whole number"),
        ("worker", "--health-listen=abc", "it is no address"),
        ("worker", "--metrics-listen=0.0.0.0:9090", "--listen-beyond-loopback"),
    ];
    for (command, flag, text) in cases {
        let outcome = Program::new([command, flag, "--nats", &nowhere])?.run()?;
        outcome.expect_code(104)?.expect_said(&[text]).context(flag)?;
    }
    Ok(())
}

/// A folder with links to `programs` of this machine, to stand for PATH.
fn only(programs: &[&str]) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for program in programs {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|folder| folder.join(program));
        let found = found.into_iter().find(|file| file.exists()).context(program.to_string())?;
        std::os::unix::fs::symlink(found, folder.path().join(program))?;
    }
    Ok(folder)
}

#[test]
fn building_without_rust_or_without_its_target_says_how_to_install_it() -> Result<()> {
    let project = tempfile::tempdir()?;
    let path = project.path().join("my-shop");
    let path = path.to_string_lossy();
    Program::new(["new", &path])?.run()?.expect_code(0)?;
    let build = || Program::new(["build", &path]);

    let nothing = only(&[])?;
    let without_rust = build()?.env("PATH", &nothing.path().to_string_lossy());
    without_rust.run()?.expect_code(122)?.expect_said(&["not installed", "rustup.rs"])?;

    // The real compiler, which looks for its targets where there are none.
    let bare = only(&["cargo"])?;
    let rustc = bare.path().join("rustc");
    let real = Command::new("rustc").args(["--print", "sysroot"]).output()?.stdout;
    let real = format!("{}/bin/rustc", String::from_utf8(real)?.trim());
    std::fs::write(&rustc, format!("#!/bin/sh\nexec {real} --sysroot /nowhere \"$@\"\n"))?;
    std::fs::set_permissions(&rustc, std::fs::Permissions::from_mode(0o755))?;
    let without_target = build()?.env("PATH", &bare.path().to_string_lossy());
    let outcome = without_target.run()?.expect_code(122)?;
    outcome.expect_said(&["wasm32-wasip2 is not installed", "rustup target add wasm32-wasip2"])?;
    Ok(())
}

#[test]
fn a_master_without_a_broker_says_how_to_get_one() -> Result<()> {
    let master = Program::new(["master", "--nats-server", "/nowhere/nats-server"])?
        .args(["--host", "http://127.0.0.1:1", "--scenario"])
        .args([scenario("http-get")?]);
    let outcome = master.run()?.expect_code(116)?;
    let says =
        ["/nowhere/nats-server", "apt-get install nats-server", "--nats URL", "loadhost run"];
    outcome.expect_said(&says)?;
    Ok(())
}
