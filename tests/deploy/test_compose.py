"""deploy/compose: the file fits its schema, and its parts fit one another and the other folders of deploy/."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from house import DEPLOY
from manifests.compose import faults, make_secrets, read, schema_faults
from manifests.objects import Tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/ in which the shipped script has made the secrets."""
    deploy = tmp_path_factory.mktemp("compose") / "deploy"
    shutil.copytree(DEPLOY, deploy, ignore=shutil.ignore_patterns("secrets", "data", ".env"))
    make_secrets(deploy / "compose", "correct horse battery staple")
    return deploy / "compose"


@pytest.fixture(scope="module")
def compose(folder: Path) -> Tree:
    return read(folder / "compose.yaml")


def test_it_fits_the_schema(compose: Tree) -> None:
    assert list(schema_faults(compose)) == []


def test_its_parts_fit_one_another(compose: Tree, folder: Path) -> None:
    assert faults(compose, folder) == []


def test_without_secrets_it_says_what_is_to_be_run() -> None:
    assert not (DEPLOY / "compose" / ".env").exists()
    with pytest.raises(ValueError, match="run make-secrets.sh first"):
        read(DEPLOY / "compose" / "compose.yaml")


def test_secrets_are_the_containers_alone_and_are_kept(folder: Path) -> None:
    secrets = {path.name: (path.read_text(), path.stat()) for path in (folder / "secrets").iterdir()}
    user = (folder / ".env").read_text().strip().removeprefix("LOADHOST_USER=")
    assert user == ("65532:65532" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}")
    for name, (_, stat) in secrets.items():
        assert f"{stat.st_uid}:{stat.st_gid}" == user and stat.st_mode & 0o077 == 0, name
    make_secrets(folder, "another password")
    assert {path.name: path.read_text() for path in (folder / "secrets").iterdir()} \
        == {name: text for name, (text, _) in secrets.items()}


def _put(tree: Any, key: Any, value: Any) -> None:
    tree[key] = value


def _service(name: str, change: Callable[[Tree], Any]) -> Callable[[Tree], Any]:
    return lambda tree: change(tree["services"][name])


def _word(name: str, old: str, new: str) -> Callable[[Tree], Any]:
    return _service(name, lambda s: _put(s, "command", [word.replace(old, new) for word in s["command"]]))


BROKEN: list[tuple[str, Callable[[Tree], Any], str]] = [
    ("secret of nobody", lambda t: t["secrets"].pop("master.nk"), "secrets: master.nk is not there"),
    ("secret for nobody", _service("grafana", lambda s: s.pop("secrets")), "secrets: nobody uses grafana-password"),
    ("secret without a file", lambda t: _put(t["secrets"]["master.nk"], "file", "./secrets/masters.nk"), "./secrets/masters.nk, which is not there"),
    ("config of nobody", lambda t: t["services"]["prometheus"]["configs"][0].update(source="worker.yml"), "configs: worker.yml is not there"),
    ("file that is not there", _service("prometheus", lambda s: _put(s["volumes"], 0, "../prometheus/prom.yml:/etc/prometheus/prometheus.yml:ro")), "../prometheus/prom.yml is not there"),
    ("unknown network", _service("nats", lambda s: s["networks"].append("front")), "there is no network front"),
    ("waits for nobody", _service("worker", lambda s: _put(s, "depends_on", {"nat": {"condition": "service_healthy"}})), "waits for nat, which is no service"),
    ("waits for health that nobody asks", _service("nats", lambda s: s.pop("healthcheck")), "waits for nats to be healthy"),
    ("waits for whom it cannot reach", _service("worker", lambda s: _put(s, "networks", ["fleet"])), "which it cannot reach"),
    ("root", _service("nats", lambda s: _put(s, "user", "0:0")), "nats lacks: a user that is not root"),
    ("writable", _service("worker", lambda s: s.pop("read_only")), "worker lacks: a read-only root"),
    ("capabilities", _service("grafana", lambda s: s.pop("cap_drop")), "grafana lacks: no capabilities"),
    ("privileges", _service("grafana", lambda s: s.pop("security_opt")), "grafana lacks: no new privileges"),
    ("latest", _service("nats", lambda s: _put(s, "image", "nats:latest")), "nats lacks: an image with a version"),
    ("published to all", _service("master-1", lambda s: _put(s, "ports", ["8089:8089"])), "publishes 8089:8089 to everybody"),
    ("published twice", _service("master-2", lambda s: _put(s, "ports", ["127.0.0.1:8089:8089"])), "127.0.0.1:8089 is published twice"),
    ("published, not listened on", _word("master-1", "8089", "8090"), "master-1 does not listen on 8089"),
    ("health asked elsewhere", _word("worker", "0.0.0.0:8080", "0.0.0.0:8081"), "worker does not listen on 8080"),
    ("file that is not mounted", _word("worker", "workers.nk", "worker.nk"), "/run/secrets/worker.nk is not mounted"),
    ("cache that is not mounted", _service("worker", lambda s: s.pop("tmpfs")), "/var/cache/loadhost/compiled is not mounted"),
    ("unknown setting", _service("worker", lambda s: s["environment"].update(LOADHOST_NAT="x")), "LOADHOST_NAT is no setting"),
    ("unknown flag", _word("worker", "--max-users", "--users"), "`loadhost worker` has no --users"),
    ("unknown flag of the health check", _service("worker", lambda s: _put(s["healthcheck"]["test"], 3, "--at")), "`loadhost health` has no --at"),
    ("another broker", _service("worker", lambda s: s["environment"].update(LOADHOST_NATS="nats://nats-1:4222")), "LOADHOST_NATS is no service"),
    ("a master that nobody watches", lambda t: _put(t["services"], "master-4", t["services"]["master-3"]), "Prometheus asks the masters"),
    ("a worker that nobody watches", _service("worker", lambda s: _put(s["deploy"], "replicas", 5)), "Prometheus asks the workers"),
    ("machines that are not there", _service("prometheus", lambda s: _put(s["volumes"], 0, "../prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro")), "Prometheus asks node1:9100, which is no service"),
    ("rules that are not mounted", _service("prometheus", lambda s: s["volumes"].pop(1)), "Prometheus reads loadhost.rules.yml"),
    ("no common network", _service("master-1", lambda s: _put(s, "networks", ["broker"])), "master-1 and prometheus have no network"),
    ("no provisioning", _service("grafana", lambda s: s["volumes"].pop(0)), "Grafana is told of nothing"),
    ("no dashboards", _service("grafana", lambda s: s["volumes"].pop(2)), "Grafana finds no dashboards at /var/lib/grafana/dashboards/loadhost"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_broken_is_told(compose: Tree, folder: Path, change: Callable[[Tree], Any], said: str) -> None:
    tree = copy.deepcopy(compose)
    change(tree)
    found = faults(tree, folder)
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(("change", "said"), [
    (_service("nats", lambda s: _put(s, "comand", [])), "comand"),
    (_service("nats", lambda s: _put(s, "read_only", [])), "services.nats.read_only"),
    (_service("worker", lambda s: _put(s["deploy"], "replica", 3)), "replica"),
    (lambda t: _put(t, "servises", {}), "servises"),
])  # fmt: skip
def test_what_the_schema_does_not_know_is_told(compose: Tree, change: Callable[[Tree], Any], said: str) -> None:
    tree = copy.deepcopy(compose)
    change(tree)
    found = list(schema_faults(tree))
    assert any(said in fault for fault in found), found
