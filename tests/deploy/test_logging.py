"""Logs, access logs and what ships them: lines of real processes against the schemas of deploy/logging."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from house import DEPLOY, Fleet, Process, Shop, loadhost, scenario, until
from jsonschema import Draft202012Validator

LOGGING = DEPLOY / "logging"
JSON = ("--log-format", "json")


def schema(kind: str) -> dict[str, Any]:
    return json.loads((LOGGING / f"{kind}-line.schema.json").read_text())


def lines(kind: str, path: Path, backups: int = 0) -> list[dict[str, Any]]:
    """All lines of a file and its backups, the oldest first, each as the schema says."""
    check = Draft202012Validator(schema(kind))
    files = [path.with_name(f"{path.name}.{n}") for n in range(backups, 0, -1)] + [path]
    text = "".join(file.read_text() for file in files if file.exists())
    assert not text or text.endswith("\n"), "the last line is cut"
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        check.validate(line)
    return found


def counted(found: list[dict[str, Any]]) -> Counter[str]:
    """Without the time: threads may be written in another order elsewhere."""
    return Counter(json.dumps({key: value for key, value in line.items() if key != "time"}) for line in found)


def run(*arguments: object, code: int | None = 0, **how: Any) -> str:
    """`loadhost run` to its end; what it said."""
    command = [loadhost(), "run", "--quiet", *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, **how)
    said = done.stdout + done.stderr
    assert code is None or done.returncode == code, said
    return said


@pytest.fixture(scope="module")
def shop():
    started = Shop()
    try:
        yield started
    finally:
        started.stop()


def served(shop: Process) -> int:
    from house import ask

    return ask(f"{shop.url}/_stats").json()["requests"]


def test_the_schemas_are_schemas_and_refuse_other_lines() -> None:
    for kind in ("log", "access"):
        Draft202012Validator.check_schema(schema(kind))
    check = Draft202012Validator(schema("log"))
    line = {"time": "2026-01-31T06:46:00.123456Z", "level": "WARN", "target": "a", "message": ""}
    check.validate(line)
    for wrong in ({"vu": -1}, {"vu": "1"}, {"level": "warn"}, {"time": "06:46"}, {"other": 1}, {"fields": {}},
                  {"fields": {"run": "r"}}):
        assert not check.is_valid(line | wrong), wrong


def test_lines_of_a_master_and_a_worker_say_which_run_worker_and_user(fleet: Fleet) -> None:
    logs = fleet.folder / "log"
    logs.mkdir()
    shop = fleet.shop()
    flags = (*JSON, "--log-level", "debug")
    master = fleet.master("master", *flags, "--log-file", str(logs / "master.log"))
    worker = fleet.worker("w-1", *flags, "--log-file", str(logs / "worker.log"))
    until("the worker is ready", worker.ready)

    def start(mode: str) -> None:
        started = subprocess.run(
            [loadhost(), "start", scenario("hostile"), "--wait", "--url", master.url, "--host", shop.url,
             "--users", "3", "--run-time", "2s", "--param", f"mode={mode}"],
            capture_output=True, text=True, timeout=60)
        assert started.returncode in (0, 99), started.stdout + started.stderr

    start("3:trap")
    start("3:log-levels")
    start("3:names")
    assert worker.stop() == 0, worker.output()
    assert master.stop() == 0, master.output()

    told = lines("log", logs / "worker.log")
    runs = {line["run"] for line in told if "run" in line}
    assert len(runs) == 3
    assert all(line["worker"] == "w-1" for line in told)
    guests = [line for line in told if line["target"] == "guest"]
    assert {line["run"] for line in guests} <= runs and all("vu" in line for line in guests)
    crash = next(line for line in guests if line["level"] == "ERROR")
    assert crash["fields"]["code"] == "trap-unreachable" and "no such item" in crash["message"], crash
    assert crash["vu"] % 3 == 0
    assert any((line["level"], line["message"]) == ("INFO", "not asked") for line in guests)
    # Of the program itself, from a thread that makes load.
    capped = [line for line in told if line["target"].startswith("loadhost_engine") and "run" in line]
    assert any("cap reached" in line["message"] for line in capped), capped
    of_master = lines("log", logs / "master.log")
    assert any(line.get("run") in runs and line["message"] == "run accepted" for line in of_master)
    # What went to stderr as JSON is the same.
    shown = [json.loads(line) for line in worker.output().splitlines() if line.startswith("{")]
    assert counted(shown) == counted(told), "stderr and file differ"


def test_lines_of_a_run_are_the_same_and_its_terminal_shows_none_twice(shop: Process, tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    said = run(scenario("hostile"), "--host", shop.url, "--users", "3", "--iterations", "9", "--param", "mode=3:trap",
               "--log-file", file, *JSON, "--log-level", "info")
    guests = [line for line in lines("log", file) if line["target"] == "guest"]
    assert guests and all(line["worker"] == "local" and "vu" in line for line in guests)
    assert '"target":"guest"' not in said
    said = run(scenario("hostile"), "--host", shop.url, "--users", "1", "--iterations", "1", "--param", "mode=trap",
               "--log-level", "warn,guest=info")
    assert re.search(r"ERROR .*guest: the user crashed: .* vu=0", said), said


def test_a_file_is_rotated_and_no_line_is_cut(shop: Process, tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    run(scenario("hostile"), "--host", shop.url, "--users", "3", "--run-time", "4s", "--param", "mode=log",
        "--log-file", file, *JSON, "--log-level", "info", "--log-max-size", "2KB", "--log-backups", "3")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["run.log", "run.log.1", "run.log.2", "run.log.3"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    numbers: dict[int, int] = {}
    for line in lines("log", file, backups=3):
        found = re.fullmatch(r"line (\d+)", line["message"])
        if found:
            number = int(found[1])
            assert number != numbers.get(line["vu"]), "a line stands there twice"
            numbers[line["vu"]] = number
    assert numbers


def test_a_disk_that_is_full_costs_lines_and_neither_cuts_one_nor_ends_the_run(shop: Process, tmp_path: Path) -> None:
    import resource

    file = tmp_path / "access.log"
    before = served(shop)
    # No file of the process may grow beyond this: a write that would is cut short, as on a disk that is full.
    limit = 20_001
    said = run(scenario("hostile"), "--host", shop.url, "--users", "1", "--iterations", "500", "--access-log", file,
               "--cache-dir", tmp_path / "cache", restore_signals=False,
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    written = lines("access", file)
    count = served(shop) - before
    assert count == 500 and 0 < len(written) < count
    assert said.count("cannot be written") == 1, said
    assert f"{count - len(written)} requests are not in the access log" in said, said
    assert file.stat().st_size <= limit


def test_an_access_log_has_a_line_for_each_request(shop: Process, tmp_path: Path) -> None:
    file, report = tmp_path / "access.log", tmp_path / "out.json"
    before = served(shop)
    run(scenario("checkout"), "--host", shop.url, "--users", "20", "--run-time", "3s", "--param", "pause=20ms",
        "--param", "password=hunter22", "--access-log", file, "--json", report)
    written = lines("access", file)
    results = json.loads(report.read_text())
    assert len(written) == served(shop) - before == results["requests"] > 100
    assert {line["worker"] for line in written} == {"local"} and {line["run"] for line in written} == {results["run"]}
    assert {line["vu"] for line in written} == set(range(20)) and {line["user_type"] for line in written} == {"Shopper"}
    rows = Counter((line["method"], line["name"]) for line in written)
    assert rows == {(row["method"], row["name"]): row["requests"] for row in results["series"]}
    items = [line for line in written if line["name"] == "/item/{id}"]
    assert all(re.fullmatch(re.escape(shop.url) + r"/item/\d+", line["url"]) for line in items)
    assert all(line["response_time_us"] >= line["service_time_us"] > 0 and line["bytes"] > 0 for line in written)
    assert "hunter22" not in file.read_text()


def test_failures_stand_in_an_access_log_as_they_are_counted(shop: Process, tmp_path: Path) -> None:
    file, report = tmp_path / "access.log", tmp_path / "out.json"
    host = shop.url.replace("://", "://ann:sesame1@") + "/status/503/hunter22"
    run(scenario("checkout"), "--host", host, "--users", "1", "--iterations", "2", "--param", "pause=1ms",
        "--param", "password=hunter22", "--access-log", file, "--json", report)
    written = lines("access", file)
    errors = json.loads(report.read_text())["errors"]
    failed = sum(error["count"] for error in errors if error["code"] == "http-status")
    assert len(written) == failed > 0
    assert all(line["error"] == "http-status" and line["status"] >= 400 for line in written)
    assert all(line["url"] == f"{shop.url}/status/503/***/login" for line in written), written
    assert "sesame1" not in file.read_text()
    file.unlink()
    run(scenario("http_get"), "--host", "http://127.0.0.1:9", "--users", "1", "--iterations", "1", "--access-log", file,
        code=112)
    [line] = lines("access", file)
    assert (line["status"], line["error"], line["bytes"]) == (None, "connect", 0)


def test_each_of_several_worker_processes_has_files_of_its_own(fleet: Fleet) -> None:
    log, access = fleet.folder / "worker.log", fleet.folder / "access.log"
    [master] = fleet.masters(1)
    shop = fleet.shop()
    worker = fleet.worker("w", "--processes", "2", "--log-file", str(log), "--access-log", str(access), *JSON)
    until("both are there", lambda: worker.output().count("joined") == 2)
    before = served(shop)
    started = subprocess.run(
        [loadhost(), "start", scenario("hostile"), "--wait", "--url", master.url, "--host", shop.url, "--users", "4",
         "--run-time", "1s", "--expect-workers", "2"], capture_output=True, text=True, timeout=60)
    assert started.returncode == 0, started.stdout + started.stderr
    assert worker.stop() == 0, worker.output()
    written = [lines("access", fleet.folder / f"access-{n}.log") for n in (1, 2)]
    assert [{line["worker"] for line in part} for part in written] == [{"w-1"}, {"w-2"}]
    assert sum(map(len, written)) == served(shop) - before
    assert (fleet.folder / "worker-1.log").exists() and (fleet.folder / "worker-2.log").exists()


def test_files_that_cannot_be_written_are_refused_at_once(shop: Process, tmp_path: Path) -> None:
    for flag in ("--log-file", "--access-log"):
        said = run(scenario("hostile"), "--host", shop.url, flag, tmp_path / "missing" / "a.log", code=None)
        assert "cannot be written" in said and flag.lstrip("-") in said, said
    said = run(scenario("hostile"), "--host", shop.url, "--log-file", tmp_path / "a.log", "--log-max-size", "1", code=None)
    assert "`100MB`" in said, said
    taken = tmp_path / "taken.log"
    first = Process("shop", [loadhost(), "master", "--listen", "127.0.0.1:0", "--log-file", taken])
    try:
        until("the file is there", taken.exists)
        said = run(scenario("hostile"), "--host", shop.url, "--log-file", taken, code=None)
        assert "another process writes it" in said, said
    finally:
        first.stop()


def documented(flag: str) -> set[str]:
    """Where the documents and shipped files put a log."""
    text = (LOGGING / "fluent-bit.yaml").read_text()
    return {str(Path(path).parent) for path in re.findall(rf"{flag} (\S+)", text)}


def test_fluent_bit_reads_the_files_and_fields_that_there_are() -> None:
    config = yaml.safe_load((LOGGING / "fluent-bit.yaml").read_text())
    [parser] = config["parsers"]
    inputs = {one["tag"]: one for one in config["pipeline"]["inputs"]}
    for tag, kind, flag in (("loadhost.log", "log", "--log-file"), ("loadhost.access", "access", "--access-log")):
        tail = inputs[tag]
        assert tail["name"] == "tail" and tail["parser"] == parser["name"]
        assert {str(Path(tail["path"]).parent)} == documented(flag)
        # Backups are named FILE.1: they are followed, and not taken for new files.
        assert Path(tail["path"]).name == "*.log" and tail["rotate_wait"] > 0
        assert parser["time_key"] in schema(kind)["required"]
    assert len({one["db"] for one in inputs.values()}) == len(inputs)
    levels = schema("log")["properties"]["level"]["enum"]
    for one in config["pipeline"]["filters"]:
        if one["name"] == "grep":
            field, pattern = one["exclude"].split(" ", 1)
            assert field in schema("log")["properties"]
            assert [level for level in levels if re.search(pattern, level)] == ["DEBUG", "TRACE"]
    matches = [one["match"] for one in config["pipeline"]["filters"] + config["pipeline"]["outputs"]]
    assert set(matches) <= {"loadhost.*", *inputs}


def test_filebeat_reads_the_files_and_fields_that_there_are() -> None:
    config = yaml.safe_load((LOGGING / "filebeat.yml").read_text())
    inputs = {one["id"]: one for one in config["filebeat.inputs"]}
    for name, kind, flag in (("loadhost-log", "log", "--log-file"), ("loadhost-access", "access", "--access-log")):
        one = inputs[name]
        [path] = one["paths"]
        assert {str(Path(path).parent)} == documented(flag) and Path(path).name == "*.log"
        [parser] = one["parsers"]
        prefix = parser["ndjson"]["target"] + "."
        known = {prefix + field for field in schema(kind)["properties"]}
        steps = {key: step for processor in one["processors"] for key, step in processor.items()}
        assert steps["timestamp"]["field"] == prefix + "time"
        for test in steps["timestamp"]["test"]:
            assert re.match(schema(kind)["properties"]["time"]["pattern"], test)
        renamed = [field["from"] for field in steps["rename"]["fields"]]
        assert set(renamed) <= known, set(renamed) - known
        assert set(steps["drop_fields"]["fields"]) <= known


def test_a_worker_that_is_told_to_stop_leaves_whole_lines(fleet: Fleet) -> None:
    log = fleet.folder / "worker.log"
    fleet.masters(1)
    worker = fleet.worker("w-9", "--log-file", str(log), *JSON, "--log-level", "debug")
    until("it has said something", lambda: log.stat().st_size > 0)
    worker.signal(signal.SIGTERM)
    assert worker.ends() == 0
    assert lines("log", log)
    assert os.stat(log).st_mode & 0o777 & ~0o644 == 0
