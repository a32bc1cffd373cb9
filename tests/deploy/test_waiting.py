"""Those who wait for the end of a run while masters come and go."""

from __future__ import annotations

import subprocess
import time

from house import Fleet, free_port, loadhost, scenario, until


def test_a_master_that_was_away_and_has_not_heard_of_the_run_yet_is_asked_again(fleet: Fleet) -> None:
    shop, listen = fleet.shop(), f"127.0.0.1:{free_port()}"
    leader = fleet.master("leader", listen=listen)
    fleet.worker("w1")
    waiting = subprocess.Popen([loadhost(), "start", scenario(), "--url", leader.url, "--host", shop.url, "--users", "2", "--run-time", "30s",
                                "--param", "pause=50ms", "--wait"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        until("the run goes on", lambda: any(run["state"] == "running" for run in leader.ask("/api/v1/runs").json()["runs"]), within=30)
        leader.kill()
        # Longer than a run may be unknown to a master that answers, and shorter than load goes on without one.
        time.sleep(14)
        fleet.master("leader", listen=listen).says(r"^leading \(term 2\)")
        said, _ = waiting.communicate(timeout=60)
        assert waiting.returncode == 0, said
        assert "not there any more" not in said, said
    finally:
        waiting.kill()
