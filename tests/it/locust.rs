//! What was written for Locust, against a master and a worker.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use loadhost_tests::{Nats, Process, Program, Shop, scenario, workspace_root};

use crate::fleet::workers;

const SOON: Duration = Duration::from_secs(60);

/// The script asserts; here it only has to end well.
#[test]
fn a_script_that_was_written_for_locust_starts_polls_changes_and_stops_a_run() -> Result<()> {
    let (nats, shop) = (Nats::start()?, Shop::start(&[])?);
    let _fleet = workers(&nats.url(), 1)?;
    let master = Program::new(["master", "--nats", &nats.url(), "--listen", "127.0.0.1:0"])?;
    let (mut master, _folder) = master.spawn()?;
    let url = master.word_after("listening on ", SOON)?;
    master.word_after("leading (term ", SOON)?;
    let push = Program::new(["push", "--url", &url])?.args([scenario("checkout")?]);
    push.run()?.expect_code(0)?;
    let script = workspace_root().join("tests/it/locust/poll.py");
    let mut poll = Command::new("python3");
    poll.arg(script).args([&url, shop.url()]).env("NO_PROXY", "*");
    let mut poll = Process::spawn("poll.py", &mut poll)?;
    let ended = poll.wait(Duration::from_secs(180))?;
    ensure!(ended.success(), "{}\n{}\n{}", poll.stdout(), poll.stderr(), master.stderr());
    Ok(())
}
