"""The pods of deploy/kubernetes do their work with exactly the arguments, files, users and probes that the manifests give them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import Shop, ask, loadhost, scenario, until
from manifests import render, with_secrets
from manifests.cluster import Cluster, Running
from manifests.container import build, unpack


@pytest.fixture
def token() -> list[str]:
    """One who may start runs, filled in when the users are made."""
    return []


@pytest.fixture
def cluster(tmp_path: Path, token: list[str]) -> Iterator[Cluster]:
    image = unpack(build(tmp_path)[0], tmp_path / "root")
    kubernetes = with_secrets(tmp_path, "dev")
    users = kubernetes / "overlays/dev/secrets/users.toml"
    made = subprocess.run([loadhost(), "user", "token", "ci", "--web-users", users], capture_output=True, text=True, check=True)
    token.append(made.stdout.strip())
    started = Cluster(render(kubernetes, "dev"), image, tmp_path / "pods", workers=2)
    yield started
    started.end()


def _value(text: str, name: str) -> float:
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    assert found, f"no {name} in\n{text}"
    return float(found[1])


def _leading(masters: list[Running], token: str) -> list[Running]:
    """By what each says of itself."""
    return [master for master in masters
            if (said := json.loads(master.asked("web", "/api/v1/workers", token)))["master"] == said["leader"]]


def test_the_pods_make_a_load_and_leave_in_time(cluster: Cluster, token: list[str]) -> None:
    shop = Shop()
    try:
        brokers = cluster.start("loadhost-nats")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            cluster.ready(brokers, probe)
        masters = cluster.start("loadhost-master")
        cluster.ready(masters)
        cluster.ready(masters, "livenessProbe")
        workers = cluster.start("loadhost-worker")
        cluster.ready(workers)
        cluster.ready(workers, "livenessProbe")

        see = cluster.objects.data("Secret", "loadhost-metrics")["token"]
        until("one master leads", lambda: len(_leading(masters, see)) == 1)
        assert ask(f"{masters[0].url}/metrics").status == 401
        assert ask(f"{masters[0].url}/api/v1/workers").status == 401

        # Whichever master is asked, as the Ingress would. What one node of the broker took, another may not have yet when it is asked.
        for number in range(15):
            rows = cluster.folder / f"rows-{number}.csv"
            rows.write_text(f"user\nuser-{number}\n")
            pushed = subprocess.run([loadhost(), "push", rows, "--url", masters[number % 3].url, "--token", token[0]], capture_output=True, text=True)
            assert pushed.returncode == 0, pushed.stderr
        run = subprocess.run([loadhost(), "start", "--wait", "--url", masters[2].url, "--token", token[0], scenario(), "--host", shop.url,
                              "--users", "20", "--iterations", "20", "--expect-workers", "2"], capture_output=True, text=True, timeout=90)
        assert run.returncode == 0, run.stdout + run.stderr + workers[0].process.output()
        asked = ask(f"{shop.url}/_stats").json()["requests"]
        assert asked > 20
        for worker in workers:
            status = worker.process.status()
            assert status["Uid"].split() == ["65532"] * 4 and int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
            assert _value(worker.asked("metrics", "/metrics"), "loadhost_users_per_worker") == 0

        # A worker and the leader are ended as the kubelet does it.
        assert workers[0].process.end(within=workers[0].grace) == 0, workers[0].process.output()
        [leader] = _leading(masters, see)
        assert leader.process.end(within=leader.grace) == 0, leader.process.output()
        rest = [master for master in masters if master is not leader]
        until("another one leads", lambda: len(_leading(rest, see)) == 1)
        cluster.ready([workers[1]])

        # The broker's hook gives its clients time, and the SIGTERM that follows does not take it away.
        assert brokers[0].hook().ends() == 0
        brokers[0].process.says("[Ll]ame duck")
        brokers[0].process.signal(signal.SIGTERM)
        cluster.ready(rest)
        cluster.ready([workers[1]])
        assert brokers[0].process.running(), brokers[0].process.output()
    finally:
        shop.stop()
