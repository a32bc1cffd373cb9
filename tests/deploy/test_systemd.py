"""The units of deploy/systemd: what systemd says of them, and whether the program can live behind their walls."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from house import CHECKOUT, DEPLOY, Fleet, loadhost, scenario, tool, until

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/usr/bin/loadhost"


def test_these_are_all_of_them() -> None:
    assert [unit.stem for unit in UNITS] == ["loadhost-master", "loadhost-nats", "loadhost-worker"]


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual")
    subprocess.run([loadhost(), "man", folder / "man1"], check=True, capture_output=True)
    return folder


def installed(folder: Path) -> list[Path]:
    """Copies that know where the program under test is, which the package puts at /usr/bin."""
    copies = []
    for unit in UNITS:
        text = unit.read_text()
        copy = folder / unit.name
        copy.write_text(text.replace(f"ExecStart={PROGRAM} ", f"ExecStart={loadhost()} "))
        copies.append(copy)
    return copies


def verify(units: list[Path], manual: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("systemd-analyze"), "verify", "--recursive-errors=yes", *units], capture_output=True, text=True,
        # With a colon at its end: and where pages lie anyway.
        env={**os.environ, "MANPATH": f"{manual}:"},
    )


def test_systemd_has_nothing_to_say_against_them_and_their_manual_pages_are_there(tmp_path: Path, manual: Path) -> None:
    done = verify(installed(tmp_path), manual)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_unit_with_a_wrong_line_is_noticed(tmp_path: Path, manual: Path) -> None:
    [master, *_] = installed(tmp_path)
    master.write_text(master.read_text().replace("KillMode=mixed", "KillMode=gently"))
    done = verify([master], manual)
    assert "gently" in done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_a_unit_exposes_is_little(unit: Path) -> None:
    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", "--threshold=30", unit], capture_output=True, text=True,
    )
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert done.returncode == 0 and level and float(level.group(1)) <= 3.0, done.stdout + done.stderr


def value(unit: str, key: str) -> str:
    found = re.findall(rf"^{key}=(.*)$", (DEPLOY / "systemd" / f"{unit}.service").read_text(), re.MULTILINE)
    assert found, f"{unit} has no {key}"
    return " ".join(found)


def default_of(setting: str) -> float:
    row = re.search(rf"^\| `{re.escape(setting)}`.*$", (CHECKOUT / "docs/settings.md").read_text(), re.MULTILINE)
    assert row, setting
    seconds = re.fullmatch(r"`(\d+)s`", row.group(0).split(" | ")[3])
    assert seconds, row.group(0)
    return float(seconds.group(1))


def test_systemd_waits_longer_than_a_process_takes_to_leave() -> None:
    for unit, setting in [("loadhost-worker", "worker.drain-deadline"), ("loadhost-master", "drain-delay")]:
        assert float(value(unit, "TimeoutStopSec").removesuffix("s")) > default_of(setting) + 10


def test_what_starting_again_does_not_mend_is_not_started_again() -> None:
    page = (CHECKOUT / "docs/exit-codes.md").read_text()
    for code, meaning in [("104", "invalid flag, key"), ("113", "a port that is to be listened on is in use")]:
        assert re.search(rf"^\| {code} \| {meaning}", page, re.MULTILINE), code
        for unit in ["loadhost-master", "loadhost-worker"]:
            assert code in value(unit, "RestartPreventExitStatus").split()


def calls_of(name: str) -> set[str]:
    """A set of system calls as systemd knows it, with those that it takes in."""
    said = subprocess.run([tool("systemd-analyze"), "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    calls: set[str] = set()
    for line in said.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            calls |= calls_of(word)
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


def allowed(unit: str) -> set[str]:
    calls: set[str] = calls_of("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", (DEPLOY / "systemd" / f"{unit}.service").read_text(), re.MULTILINE):
        names = line.removeprefix("~").split()
        of_line = set().union(*(calls_of(name) if name.startswith("@") else {name} for name in names))
        # What begins and ends a process is always allowed.
        calls = calls - (of_line - calls_of("@default")) if line.startswith("~") else calls | of_line
    return calls


def called(log: Path) -> set[str]:
    """System calls of a table of `strace -c`."""
    rows = [line.split() for line in log.read_text().splitlines()]
    return {row[-1] for row in rows if len(row) >= 5 and re.fullmatch(r"[\d.]+", row[0]) and row[-1] != "total"}


def test_a_real_run_asks_the_kernel_for_nothing_that_the_units_forbid(fleet: Fleet, tmp_path: Path) -> None:
    shop = fleet.shop()
    traced = {name: tmp_path / name for name in ["master", "worker"]}

    def under(name: str, *command: object) -> object:
        from house import Process
        trace = [tool("strace"), "-f", "-c", "-o", traced[name], loadhost(), *command]
        process = fleet.keep(Process(name, [str(word) for word in trace], env={"XDG_CACHE_HOME": str(tmp_path / "cache")}))
        process.url = process.says(r"^listening on (http://\S+)").group(1)
        return process

    master = under("master", "master", "--nats", fleet.nats.url, "--listen", "127.0.0.1:0")
    worker = under("worker", "worker", "--nats", fleet.nats.url, "--id", "w1", "--listen", "127.0.0.1:0")
    master.says(r"^leading")
    worker.says(r"joined")
    done = subprocess.run(
        [loadhost(), "start", scenario(), "--url", master.url, "--host", shop.url, "--users", "5", "--run-time", "2s",
         "--param", "pause=20ms", "--wait"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # strace passes no signal on, so the traced processes are told themselves.
    for process in [worker, master]:
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), 15)
        process.ends(within=30)
    for name, log in traced.items():
        calls = called(log)
        assert {"execve", "mmap"} < calls, calls
        refused = calls - allowed(f"loadhost-{name}")
        assert not refused, f"{name}: {sorted(refused)} are not in its SystemCallFilter"


def test_memory_and_cpu_have_limits() -> None:
    assert (value("loadhost-master", "MemoryMax"), value("loadhost-master", "CPUQuota")) == ("4G", "200%")
    assert value("loadhost-worker", "MemoryMax") == "90%"
