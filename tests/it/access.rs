//! Keys: of the broker's users, and of those who sign scenarios.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Nats, Outcome, Program, Shop, scenario};

use crate::local::same_count;

const FLEET: Duration = Duration::from_secs(60);

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// A broker as `loadhost nats-config` describes it, for workers `w1` and `w2`.
fn guarded(folder: &Path) -> Result<Nats> {
    let args = ["nats-config", &path(folder, "nats"), "--worker", "w1", "--worker", "w2"];
    Program::new(args)?.args(["--store", &path(folder, "store")]).run()?.expect_code(0)?;
    Nats::configured(&folder.join("nats/nats-server.conf"))
}

fn worker(nats: &Nats, folder: &Path, id: &str) -> Result<Program> {
    let key = path(folder, &format!("nats/worker-{id}.nk"));
    let args = ["worker", "--nats", &nats.url(), "--nats-nkey", &key, "--id", id];
    Ok(Program::new(args)?.args(["--listen", "127.0.0.1:0"]))
}

fn master(nats: &Nats, folder: &Path, shop: &Shop, expect: u32) -> Result<Program> {
    let key = path(folder, "nats/master.nk");
    let args = ["master", "--nats", &nats.url(), "--nats-nkey", &key, "--listen", "127.0.0.1:0"];
    Ok(Program::new(args)?
        .args(["--expect-workers", &expect.to_string(), "--max-wait", "20s"])
        .args(["--users", "6", "--run-time", "2s", "--json", "out.json"])
        .args(["--host", shop.url(), "--scenario"])
        .args([scenario("http-get")?]))
}

/// A new key that signs: its file, and the public half.
fn signer(folder: &Path, name: &str) -> Result<(PathBuf, String)> {
    let file = folder.join(name);
    Program::new(["key", "new", &file.display().to_string()])?.run()?.expect_code(0)?;
    let shown =
        Program::new(["key", "show", &file.display().to_string()])?.run()?.expect_code(0)?;
    Ok((file, shown.stdout.trim().to_string()))
}

#[tokio::test]
async fn a_fleet_with_a_key_for_each_user_runs_a_signed_scenario() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (nats, shop) = (guarded(folder.path())?, Shop::start(&[])?);
    let (key, public) = signer(folder.path(), "signer.nk")?;
    let _fleet = ["w1", "w2"]
        .iter()
        .map(|id| worker(&nats, folder.path(), id)?.args(["--trust", &public]).spawn())
        .collect::<Result<Vec<_>>>()?;
    let master = master(&nats, folder.path(), &shop, 2)?;
    let (process, home) = master.args(["--sign", &key.display().to_string()]).spawn()?;
    let outcome = Outcome::of(process, home, FLEET)?.expect_code(0)?;
    same_count(&outcome, &shop).await?;
    Ok(())
}

#[tokio::test]
async fn a_worker_that_trusts_a_key_refuses_an_unsigned_scenario_and_the_run_says_why() -> Result<()>
{
    let folder = tempfile::tempdir()?;
    let (nats, shop) = (guarded(folder.path())?, Shop::start(&[])?);
    let (_, public) = signer(folder.path(), "signer.nk")?;
    let _fleet = worker(&nats, folder.path(), "w1")?.args(["--trust", &public]).spawn()?;
    let (process, home) = master(&nats, folder.path(), &shop, 1)?.spawn()?;
    let outcome = Outcome::of(process, home, FLEET)?.expect_code(117)?;
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    for text in ["worker `w1` failed", "it is not signed", "--sign"] {
        ensure!(said.contains(text), "does not say `{text}`:\n{said}");
    }
    ensure!(shop.requests().await? == 0, "an unsigned scenario was run");
    Ok(())
}

#[tokio::test]
async fn a_worker_with_the_key_of_another_worker_gets_no_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let nats = guarded(folder.path())?;
    let key = path(folder.path(), "nats/worker-w2.nk");
    let args = ["worker", "--nats", &nats.url(), "--nats-nkey", &key, "--id", "w1"];
    let worker = Program::new(args)?.args(["--listen", "127.0.0.1:0", "--max-wait", "5s"]);
    let (mut process, _home) = worker.spawn()?;
    // The broker tells it which subject it was denied.
    process.wait_until(Duration::from_secs(20), |log| {
        let denied = log.find("Permissions Violation").is_some();
        denied.then(|| log.find("w1")).flatten()
    })?;
    Ok(())
}

#[test]
fn a_broker_that_refuses_is_told_with_the_flags_that_say_who_this_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let nats = guarded(folder.path())?;
    let (stranger, _) = signer(folder.path(), "stranger.nk")?;
    let stranger = stranger.display().to_string();
    for role in ["master", "worker"] {
        let args = [role, "--nats", &nats.url(), "--listen", "127.0.0.1:0", "--max-wait", "5s"];
        for login in [&["--nats-nkey", &*stranger][..], &["--nats-token", "no-such-token"], &[]] {
            let outcome = Program::new(args)?.args(login).run()?.expect_code(115)?;
            let outcome = outcome.expect_said(&["refuses these credentials", "`--nats-nkey`"])?;
            ensure!(!outcome.stderr.contains("no-such-token"), "{}", outcome.stderr);
        }
    }
    Ok(())
}

#[test]
fn keys_are_their_owners_alone_and_never_written_over() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, public) = signer(folder.path(), "signer.nk")?;
    ensure!(public.starts_with('A'), "{public}");
    let mode = std::fs::metadata(&file)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "others may read it: {mode:o}");
    let seed = std::fs::read_to_string(&file)?;
    let again = Program::new(["key", "new", &file.display().to_string()])?.run()?;
    again.expect_code(119)?.expect_said(&["exists already", "hint:"])?;
    ensure!(std::fs::read_to_string(&file)? == seed, "the key was written over");
    Ok(())
}

#[test]
fn a_configuration_written_again_keeps_the_keys_it_has() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |workers: &[&str]| -> Result<String> {
        let args = ["nats-config", &path(folder.path(), "nats")].map(String::from);
        let workers = workers.iter().flat_map(|id| ["--worker".to_string(), id.to_string()]);
        Program::new(args.into_iter().chain(workers))?.run()?.expect_code(0)?;
        Ok(std::fs::read_to_string(folder.path().join("nats/nats-server.conf"))?)
    };
    let nkeys = |text: &str| -> Vec<String> {
        let of_line =
            |line: &str| Some(line.split_once("nkey: ")?.1.split(' ').next()?.to_string());
        text.lines().filter_map(of_line).collect()
    };
    let (before, after) = (nkeys(&write(&["w1"])?), nkeys(&write(&["w1", "w2"])?));
    ensure!(before.len() == 2 && after.len() == 3, "{before:?} {after:?}");
    ensure!(after.starts_with(&before), "{before:?} {after:?}");
    let seed = std::fs::read_to_string(folder.path().join("nats/worker-w2.nk"))?;
    ensure!(!write(&["w1", "w2"])?.contains(seed.trim()), "the configuration has a secret");
    Ok(())
}

#[test]
fn wrong_wishes_for_a_configuration_are_named() -> Result<()> {
    let check = |args: &[&str], texts: &[&str]| -> Result<()> {
        let outcome = Program::new(["nats-config", "nats"])?.args(args).run()?;
        outcome.expect_code(104)?.expect_said(texts).map(drop).context(args.join(" "))
    };
    check(&["--worker", "w 1"], &["--worker w 1"])?;
    check(&["--worker", "w1", "--worker", "w1"], &["named twice"])?;
    check(&["--tenant", "a", "--tenant", "b", "--worker", "w1"], &["TENANT/ID"])?;
    check(&["--tenant", "a", "--worker", "b/w1"], &["no `--tenant` has this name"])?;
    check(&["--tls-cert", "x.pem"], &["--tls-key"])?;
    check(&["--node", "a=h1", "--node", "b=h2"], &["three or five"])?;
    check(&["--node", "a"], &["NAME=HOST"])?;
    let outcome = Program::new(["worker", "--nats", "nats://127.0.0.1:1"])?;
    let seed = "SAAFAKESEEDTHATMUSTNOTBESHOWN";
    let outcome = outcome.args(["--trust", seed]).run()?.expect_code(104)?;
    ensure!(!outcome.stderr.contains(seed), "a secret was repeated: {}", outcome.stderr);
    Ok(())
}
