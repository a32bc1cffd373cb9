"""The scripts of deploy/scripts, run for real on loopback: what they start, what they say, and how they end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from house import DEPLOY, Fleet, Process, ask, free_port, loadhost, metric, scenario, tool, until
from manifests.kustomize import kubectl, with_secrets

SCRIPTS = DEPLOY / "scripts"
ALL = sorted(SCRIPTS.glob("*.sh"))


def test_shellcheck_has_nothing_to_say_against_them() -> None:
    assert [script.name for script in ALL] == ["deploy.sh", "start-master.sh", "start-worker.sh"]
    debian = [DEPLOY / "debian" / name for name in ["build.sh", "postinst", "prerm", "postrm"]]
    done = subprocess.run([tool("shellcheck"), *ALL, *debian], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert all(os.access(script, os.X_OK) for script in ALL)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[object]:
    """Starts one with the names that Locust's scripts have; it ends with the test."""
    started: list[Process] = []

    def start(name: str, **env: object) -> Process:
        wholly = {
            "LOADHOST": str(loadhost()), "HEALTH_INTERVAL": "0.2", "LOG_FILE": str(tmp_path / "log" / "it.log"),
            "PID_FILE": str(tmp_path / "run" / "master.pid"), **{key: str(value) for key, value in env.items()},
        }
        started.append(Process(name, [SCRIPTS / f"{name}.sh"], env=wholly))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_master_is_started_found_ready_and_stopped(fleet: Fleet, script, tmp_path: Path) -> None:
    port = free_port()
    master = script("start-master", MASTER_PORT=fleet.nats.port, WEB_PORT=port, EXPECT_WORKERS=3, LOG_LEVEL="INFO")
    number = master.says(r"^the master is ready \(process (\d+)\)$", within=30).group(1)
    assert "expected workers: 3" in master.output()
    assert ask(f"http://127.0.0.1:{port}/ready").status == 200
    assert (tmp_path / "run/master.pid").read_text() == f"{number}\n"
    # `info` is said, which the program by itself would not.
    assert "leading" in (tmp_path / "log/it.log").read_text()
    master.signal(signal.SIGTERM)
    assert master.ends(within=30) == 0, master.output()
    assert "stopping; runs go on" in master.output()
    assert not (tmp_path / "run/master.pid").exists()
    assert not Path(f"/proc/{number}").exists()


def test_a_setting_of_the_program_is_stronger_than_a_name_of_locusts(fleet: Fleet, script) -> None:
    mine, theirs = free_port(), free_port()
    master = script("start-master", LOADHOST_NATS=fleet.nats.url, MASTER_PORT=1, LOADHOST_LISTEN=f"127.0.0.1:{mine}", WEB_PORT=theirs)
    master.says(r"^the master is ready", within=30)
    assert ask(f"http://127.0.0.1:{mine}/ready").status == 200
    with pytest.raises(OSError):
        ask(f"http://127.0.0.1:{theirs}/ready")


def test_a_scenario_is_run_with_the_workers_that_are_expected_where_it_is_told(fleet: Fleet, script) -> None:
    shop, port = fleet.shop(), free_port()
    # By default 60 workers would be waited for.
    master = script("start-master", MASTER_HOST="127.0.0.1", MASTER_PORT=fleet.nats.port, WEB_HOST="127.0.0.2", WEB_PORT=port,
                    LOCUSTFILE=scenario(), EXPECT_WORKERS=1, LOADHOST_HOST=shop.url, LOADHOST_USERS=3, LOADHOST_RUN_TIME="3s",
                    LOADHOST_PARAMS_PAUSE="20ms")
    master.says(r"^the master is ready", within=30)
    assert ask(f"http://127.0.0.2:{port}/ready").status == 200
    with pytest.raises(OSError):
        ask(f"http://127.0.0.1:{port}/ready")
    assert ask(f"{shop.url}/_stats").json()["requests"] == 0, "there is no worker yet"
    fleet.worker("one")
    assert master.ends(within=60) == 0, master.output()
    assert ask(f"{shop.url}/_stats").json()["requests"] > 10


def test_a_masters_port_that_is_taken_is_told_with_the_programs_code(fleet: Fleet, script, silent: int) -> None:
    master = script("start-master", MASTER_PORT=fleet.nats.port, WEB_PORT=silent)
    assert master.ends(within=30) == 113, master.output()
    assert f"port {silent} is in use" in master.output()
    assert "error: the master has ended with exit code 113" in master.output()


def test_a_port_at_which_another_master_is_ready_is_not_taken_for_ones_own(fleet: Fleet, script) -> None:
    [other] = fleet.masters(1)
    port = int(other.url.rsplit(":", 1)[1])
    master = script("start-master", MASTER_PORT=fleet.nats.port, WEB_PORT=port, HEALTH_INTERVAL=1)
    assert master.ends(within=30) == 113, master.output()
    assert "exit code 113" in master.output()


def test_a_broker_that_is_down_is_told_with_the_programs_code(script) -> None:
    master = script("start-master", MASTER_PORT=free_port(), WEB_PORT=free_port(), LOADHOST_MAX_WAIT="1s")
    assert master.ends(within=30) == 115, master.output()
    assert "error: the master has ended with exit code 115" in master.output()


def test_a_master_that_never_gets_healthy_is_stopped(script, silent: int) -> None:
    master = script("start-master", MASTER_PORT=silent, WEB_PORT=free_port(), HEALTH_ATTEMPTS=5)
    assert master.ends(within=40) == 1, master.output()
    assert re.search(r"^error: the master is not ready at http://127.0.0.1:\d+/ready after 5 looks", master.output(), re.MULTILINE)
    assert "not ready yet (5 of 5)" in master.output()


def test_a_master_that_dies_later_is_told_by_its_code(fleet: Fleet, script) -> None:
    master = script("start-master", MASTER_PORT=fleet.nats.port, WEB_PORT=free_port())
    number = master.says(r"^the master is ready \(process (\d+)\)$", within=30).group(1)
    os.kill(int(number), signal.SIGKILL)
    assert master.ends() == 137, master.output()


def test_a_worker_waits_for_its_broker_and_joins(fleet: Fleet, script, tmp_path: Path) -> None:
    [master] = fleet.masters(1)
    health = free_port()
    worker = script(
        "start-worker", MASTER_HOST="127.0.0.1", MASTER_PORT=fleet.nats.port, WORKER_NODE_ID="node-7",
        LOADHOST_WORKER_HEALTH_LISTEN=f"127.0.0.1:{health}", LOADHOST_WORKER_METRICS_LISTEN="127.0.0.1:0")
    worker.says(r"^worker node-7 joined", within=30)
    until("it is ready", lambda: ask(f"http://127.0.0.1:{health}/ready").status == 200)
    until("the master knows it", lambda: metric(master, "loadhost_workers", liveness="alive") == 1)
    assert (tmp_path / "log/it.log").exists()
    # The script has become the worker, which leaves in good order.
    worker.signal(signal.SIGTERM)
    assert worker.ends(within=30) == 0, worker.output()


def test_a_worker_without_a_broker_gives_up_and_says_so(script) -> None:
    port = free_port()
    worker = script("start-worker", MASTER_PORT=port, HEALTH_ATTEMPTS=3)
    assert worker.ends() == 115, worker.output()
    assert "the broker does not answer yet (3 of 3)" in worker.output()
    assert f"error: the broker at nats://127.0.0.1:{port} cannot be reached after 3 attempts" in worker.output()


def test_a_worker_finds_the_broker_that_comes_later_and_tells_no_password(script, fleet: Fleet) -> None:
    down = free_port()
    worker = script("start-worker", LOADHOST_NATS=f"nats://ada:secret@127.0.0.1:{down},nats://127.0.0.1:{fleet.nats.port}",
                    LOADHOST_WORKER_LISTEN="127.0.0.1:0")
    worker.says(r"^listening on ", within=30)
    assert "secret" not in worker.output()


def test_a_workers_port_that_is_taken_is_told_with_the_programs_code(fleet: Fleet, script, silent: int) -> None:
    worker = script("start-worker", MASTER_PORT=fleet.nats.port, LOADHOST_WORKER_LISTEN=f"127.0.0.1:{silent}")
    assert worker.ends() == 113, worker.output()
    assert f"port {silent} is in use" in worker.output()


@pytest.mark.parametrize("name", ["start-master", "start-worker"])
@pytest.mark.parametrize(("setting", "value", "said"), [
    ("HEALTH_ATTEMPTS", "abc", "a whole number from 1 on"), ("HEALTH_ATTEMPTS", "0", "a whole number from 1 on"),
    ("HEALTH_INTERVAL", "soon", "seconds, such as 2 or 0.5"), ("HEALTH_INTERVAL", "-1", "seconds, such as 2 or 0.5"),
])
def test_a_patience_that_is_none_is_told_and_not_tried_for_ever(script, name: str, setting: str, value: str, said: str) -> None:
    started = script(name, MASTER_PORT=free_port(), WEB_PORT=free_port(), **{setting: value})
    assert started.ends() == 104, started.output()
    assert f"error: {setting} is `{value}`\nhint: give {said}" in started.output()


@pytest.mark.parametrize(("level", "passes"), [("WARNING", "warn"), ("CRITICAL", "error"), ("DEBUG", "debug")])
def test_levels_are_locusts(script, tmp_path: Path, level: str, passes: str) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho level: $LOADHOST_LOG_LEVEL\n")
    program.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        for name in ["start-master", "start-worker"]:
            started = script(name, LOADHOST=program, MASTER_PORT=broker.getsockname()[1], WEB_PORT=free_port(), LOG_LEVEL=level)
            started.ends()
            assert f"level: {passes}\n" in started.output(), started.output()


def test_a_level_that_is_none_is_told_with_the_programs_code(script) -> None:
    master = script("start-master", MASTER_PORT=free_port(), WEB_PORT=free_port(), LOG_LEVEL="LOUD")
    assert master.ends() == 104 and "`loud` is no level" in master.output(), master.output()


def test_each_name_of_locusts_scripts_is_explained_and_used() -> None:
    for name, variables in {
        "start-master": ["MASTER_HOST", "MASTER_PORT", "WEB_HOST", "WEB_PORT", "LOCUSTFILE", "EXPECT_WORKERS", "LOG_LEVEL", "LOG_FILE"],
        "start-worker": ["MASTER_HOST", "MASTER_PORT", "WORKER_NODE_ID", "LOG_LEVEL", "LOG_FILE"],
        "deploy": ["NAMESPACE", "MASTER_REPLICAS", "WORKER_REPLICAS", "IMAGE_TAG"],
    }.items():
        text = (SCRIPTS / f"{name}.sh").read_text()
        head, _, body = text.partition("set -euo pipefail")
        for variable in variables:
            assert re.search(rf"^#   {variable} ", head, re.MULTILINE), f"{name}: {variable} is not explained"
            assert re.search(rf"\$\{{{variable}[:}}-]", body), f"{name}: {variable} is not used"


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped one for production, with secrets."""
    return with_secrets(tmp_path_factory.mktemp("deploy"), "prod") / "overlays" / "prod"


# There is no cluster here: what is applied is rendered by the real kubectl, and what is asked of a cluster is written down.
KUBECTL = """#!/bin/sh
case $1 in
kustomize) exec {kubectl} "$@" ;;
apply) {kubectl} kustomize "$3" > {asked}.yaml || exit 1 ;;
rollout) case $* in *"${{NEVER_READY:-none at all}}"*) exit 1 ;; esac ;;
config) echo test ;;
esac
echo "$@" >> {asked}
"""


def deploy(overlay: Path, tmp_path: Path, **env: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    asked = tmp_path / "asked"
    stand_in = tmp_path / "kubectl"
    stand_in.write_text(KUBECTL.format(kubectl=kubectl(), asked=asked))
    stand_in.chmod(0o755)
    done = subprocess.run([SCRIPTS / "deploy.sh"], capture_output=True, text=True,
                          env={**os.environ, "KUBECTL": str(stand_in), "OVERLAY": str(overlay), **env})
    return done, asked.read_text().splitlines() if asked.exists() else []


def test_a_fleet_is_deployed_as_asked_and_waited_for(overlay: Path, tmp_path: Path) -> None:
    done, asked = deploy(overlay, tmp_path, NAMESPACE="load", MASTER_REPLICAS="2", WORKER_REPLICAS="20", IMAGE_TAG="9.9", TIMEOUT="7s")
    assert done.returncode == 0, done.stderr
    assert [" ".join(line.split()[:3]) for line in asked if line.startswith("rollout")] == [
        "rollout status statefulset/loadhost-nats", "rollout status statefulset/loadhost-master",
        "rollout status deployment/loadhost-worker"]
    assert all("--namespace load --timeout 7s" in line for line in asked if line.startswith("rollout"))
    applied = list(yaml.safe_load_all((tmp_path / "asked.yaml").read_text()))
    of = {(one["kind"], one["metadata"]["name"]): one for one in applied}
    assert {one["metadata"].get("namespace", "load") for one in applied} == {"load"}
    assert ("Namespace", "load") in of
    assert of["StatefulSet", "loadhost-master"]["spec"]["replicas"] == 2
    assert of["HorizontalPodAutoscaler", "loadhost-worker"]["spec"]["minReplicas"] == 20
    for kind, name in [("StatefulSet", "loadhost-master"), ("Deployment", "loadhost-worker")]:
        [container] = of[kind, name]["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "registry.example.com/loadhost:9.9"


@pytest.mark.parametrize(("wish", "said"), [
    ({"WORKER_REPLICAS": "5"}, "runs expect 10 workers (LOADHOST_EXPECT_WORKERS), and only 5 are always there"),
    ({"WORKER_REPLICAS": "150"}, "WORKER_REPLICAS 150 is above WORKER_LIMIT 100"),
    ({"WORKER_LIMIT": "9"}, "WORKER_REPLICAS 10 is above WORKER_LIMIT 9"),
    ({"MASTER_REPLICAS": "5"}, "MASTER_REPLICAS 5 is more than the 3 masters"),
    ({"WORKER_REPLICAS": "abc"}, "WORKER_REPLICAS is `abc`"),
    ({"WORKER_REPLICAS": "1.5"}, "WORKER_REPLICAS is `1.5`"),
    ({"WORKER_LIMIT": "-3"}, "WORKER_LIMIT is `-3`"),
    ({"MASTER_REPLICAS": "0"}, "MASTER_REPLICAS is `0`"),
    ({"NAMESPACE": "Perf Team"}, "NAMESPACE is `Perf Team`"),
    ({"TIMEOUT": "soon"}, "TIMEOUT is `soon`"),
    ({"TIMEOUT": "300"}, "TIMEOUT is `300`"),
])
def test_wishes_that_cannot_work_are_refused_before_anything_is_applied(
        overlay: Path, tmp_path: Path, wish: dict[str, str], said: str) -> None:
    done, asked = deploy(overlay, tmp_path, **wish)
    assert done.returncode == 2 and said in done.stderr and "hint: " in done.stderr, done.stderr
    assert asked == []


@pytest.fixture
def with_keda(tmp_path: Path) -> Path:
    """The same overlay, scaled by KEDA."""
    overlay = with_secrets(tmp_path / "kubernetes", "prod") / "overlays" / "prod"
    settings = overlay / "kustomization.yaml"
    settings.write_text(settings.read_text().replace("# - ../../components/keda", "- ../../components/keda"))
    return overlay


def test_wishes_that_do_not_reach_keda_are_refused(with_keda: Path, tmp_path: Path) -> None:
    for wish, said in [({"WORKER_REPLICAS": "20"}, "do not reach KEDA's ScaledObject"),
                       ({"NAMESPACE": "perf"}, "counts the users of namespace loadhost, not of NAMESPACE perf")]:
        done, asked = deploy(with_keda, tmp_path, **wish)
        assert done.returncode == 2 and said in done.stderr and "hint: " in done.stderr, done.stderr
        assert asked == []


def test_kedas_own_namespace_may_be_named(with_keda: Path, tmp_path: Path) -> None:
    done, asked = deploy(with_keda, tmp_path, NAMESPACE="loadhost")
    assert done.returncode == 0 and any(line.startswith("apply") for line in asked), done.stderr


def test_fewer_workers_by_keda_than_runs_expect_are_refused(with_keda: Path, tmp_path: Path) -> None:
    scaled = with_keda / "../../components/keda/scaledobject.yaml"
    scaled.write_text(scaled.read_text().replace("minReplicaCount: 10", "minReplicaCount: 9"))
    done, asked = deploy(with_keda, tmp_path)
    assert done.returncode == 2 and asked == []
    assert "runs expect 10 workers (LOADHOST_EXPECT_WORKERS), and only 9 are always there" in done.stderr, done.stderr
    assert "KEDA: minReplicaCount" in done.stderr


def test_without_wishes_the_overlay_is_applied_as_it_is(overlay: Path, tmp_path: Path) -> None:
    done, asked = deploy(overlay, tmp_path)
    assert done.returncode == 0 and "namespace loadhost of context test" in done.stderr, done.stderr
    assert (tmp_path / "asked.yaml").read_text() == subprocess.run(
        [kubectl(), "kustomize", overlay], capture_output=True, text=True, check=True).stdout
    assert all("--namespace loadhost" in line for line in asked if line.startswith(("rollout", "get")))


def test_what_is_not_ready_in_time_is_named(overlay: Path, tmp_path: Path) -> None:
    done, asked = deploy(overlay, tmp_path, NEVER_READY="statefulset/loadhost-master", TIMEOUT="1s")
    assert done.returncode == 1
    assert "error: statefulset/loadhost-master is not ready after 1s" in done.stderr
    assert not any("loadhost-worker" in line for line in asked)


def test_a_dry_run_changes_nothing(overlay: Path, tmp_path: Path) -> None:
    done, asked = deploy(overlay, tmp_path, DRY_RUN="1")
    assert done.returncode == 0 and "kind: StatefulSet" in done.stdout and asked == []


def test_what_is_missing_for_a_deployment_is_told(overlay: Path, tmp_path: Path) -> None:
    for env, said in [
        ({"KUBECTL": "no-kubectl"}, "no-kubectl is not installed"),
        ({"OVERLAY": str(tmp_path)}, "is no overlay"),
        ({"OVERLAY": str(DEPLOY / "kubernetes/overlays/prod")}, "make-secrets.sh"),
    ]:
        if "make-secrets" in said and (DEPLOY / "kubernetes/overlays/prod/secrets").exists():
            continue
        done, _ = deploy(overlay, tmp_path, **env)
        assert done.returncode == 2 and said in done.stderr, done.stderr
