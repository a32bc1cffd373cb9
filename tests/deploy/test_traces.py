"""OpenTelemetry: what a collector and a target get to see of a run's iterations and of a log."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from house import Fleet, loadhost, scenario, until
from house.collector import Server, attributes, fields, inside

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """A target and a collector."""
    target, collector = Server(), Server()
    try:
        yield target, collector
    finally:
        for server in (target, collector):
            server.released.set()
            server.shutdown()
            server.server_close()


def spans(collector: Server) -> list[dict[str, Any]]:
    """All that were sent, by the field numbers of opentelemetry/proto/trace/v1."""
    found = []
    for path, headers, body in collector.asked:
        assert headers["content-type"] == "application/x-protobuf" and path in ("/v1/traces", "/v1/logs", "/v1/metrics")
        if path != "/v1/traces":
            continue
        for resource in inside(body, 1, 1):
            assert attributes(resource, 1)["service.name"] == "loadhost"
        for span in inside(body, 1, 2, 2):
            one = dict(fields(span))
            status = dict(fields(one[15])) if 15 in one else {}
            found.append({
                "trace": one[1].hex(), "id": one[2].hex(), "parent": one.get(4, b"").hex(), "name": one[5].decode(),
                "kind": one[6], "start": one[7], "end": one[8], "attributes": attributes(span, 9),
                "status": status.get(3, 0), "why": status.get(2, b"").decode(),
            })
    return found


def run(*arguments: object, code: int = 0, **environment: str) -> str:
    command = [loadhost(), "run", "--quiet", scenario("hostile"), *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, env=os.environ | environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_collector_gets_the_spans_that_the_target_was_told_of(servers: tuple[Server, Server]) -> None:
    target, collector = servers
    said = run("--host", target.url.replace("://", "://ann:sesame1@"), "--users", "2", "--iterations", "40", "--otlp",
               collector.url, "--otlp-header", "x-key=k1", "--trace-sample", "1", "--trace-propagate", "--seed", "7")
    found = spans(collector)
    assert "warning" not in said
    assert all(headers["x-key"] == "k1" for _, headers, _ in collector.asked)
    requests = {(span["trace"], span["id"]): span for span in found if span["kind"] == 3}
    told = [TRACEPARENT.fullmatch(headers["traceparent"]) for _, headers, _ in target.asked]
    assert all(told) and len(told) == 40
    assert {one.groups() for one in told if one} == set(requests), "the target was told of other spans"
    assert len({span["trace"] for span in found}) == 40 and len(found) == 120
    by_id = {span["id"]: span for span in found}
    for span in requests.values():
        task = by_id[span["parent"]]
        root = by_id[task["parent"]]
        assert (root["name"], task["name"], span["name"]) == ("iteration", "task attack", "GET /")
        assert root["parent"] == "" and {one["trace"] for one in (root, task)} == {span["trace"]}
        assert root["start"] <= task["start"] <= span["start"] <= span["end"] <= task["end"] <= root["end"]
        known = span["attributes"]
        assert known["url.full"] == f"{target.url}/" and known["http.response.status_code"] == 200
        assert (known["server.address"], known["server.port"]) == ("127.0.0.1", target.server_address[1])
        assert (known["http.request.method"], known["url.template"], span["status"]) == ("GET", "/", 0)
        assert root["attributes"]["loadhost.vu"] in (0, 1) and root["attributes"]["loadhost.worker"] == "local"


def test_a_sample_follows_from_the_seed_and_others_carry_no_header(servers: tuple[Server, Server]) -> None:
    target, collector = servers
    sampled = []
    for _ in range(2):
        target.asked.clear()
        run("--host", target.url, "--users", "1", "--iterations", "200", "--otlp", collector.url, "--trace-sample", "0.2",
            "--trace-propagate", "--seed", "7")
        sampled.append([n for n, (_, headers, _) in enumerate(target.asked) if "traceparent" in headers])
    assert sampled[0] == sampled[1] and 15 < len(sampled[0]) < 70, sampled
    roots = [span["attributes"]["loadhost.iteration"] for span in spans(collector) if span["name"] == "iteration"]
    assert sorted(roots) == sorted(sampled[0] * 2)
    target.asked.clear()
    run("--host", target.url, "--users", "1", "--iterations", "20")
    assert len(target.asked) == 20 and not any("traceparent" in headers for _, headers, _ in target.asked)


def test_failures_of_requests_and_iterations_stand_in_their_spans(servers: tuple[Server, Server]) -> None:
    target, collector = servers
    target.status = 503
    run("--host", target.url, "--users", "1", "--iterations", "3", "--otlp", collector.url, "--trace-sample", "1")
    found = spans(collector)
    requests = [span for span in found if span["kind"] == 3]
    assert len(requests) == 3 and not any("traceparent" in headers for _, headers, _ in target.asked)
    for span in requests:
        assert (span["status"], span["attributes"]["error.type"]) == (2, "503"), span
        assert "503" in span["why"], span
    collector.asked.clear()
    run("--host", target.url, "--users", "1", "--iterations", "1", "--otlp", collector.url, "--trace-sample", "1",
        "--param", "mode=trap")
    [root] = [span for span in spans(collector) if span["name"] == "iteration"]
    assert (root["status"], root["attributes"]["error.type"]) == (2, "trap-unreachable"), root


def test_a_collector_that_takes_nothing_costs_spans_and_not_the_run(servers: tuple[Server, Server]) -> None:
    target, collector = servers
    collector.status = 400
    said = run("--host", target.url, "--users", "1", "--iterations", "30", "--otlp", collector.url, "--trace-sample", "1")
    assert len(target.asked) == 30
    assert said.count("does not take traces") == 1 and "90 spans were not taken" in said, said
    said = run("--host", target.url, "--trace-sample", "1", code=104)
    assert "`--otlp URL`" in said, said
    said = run("--host", target.url, "--trace-sample", "2", code=104)
    assert "from 0 to 1" in said, said


def test_what_a_collector_that_never_answers_has_not_taken_is_told(servers: tuple[Server, Server]) -> None:
    target, collector = servers
    collector.hangs.set()
    began = time.monotonic()
    said = run("--host", target.url, "--users", "1", "--iterations", "30", "--otlp", collector.url, "--trace-sample", "1",
               "--log-level", "info")
    took = time.monotonic() - began
    assert took < 15, f"{took:.1f} s"
    assert "90 spans were not taken" in said, said
    assert re.search(r"warning: [1-9]\d* lines of the log were not sent", said), said
    assert len(target.asked) == 30


def test_headers_of_the_environment_hold_for_all_signals_and_flags_come_before_them(servers: tuple[Server, Server]) -> None:
    target, collector = servers
    given = ("--host", target.url, "--users", "1", "--iterations", "2", "--otlp", collector.url, "--trace-sample", "1",
             "--log-level", "debug", "--listen", "127.0.0.1:0")
    run(*given, "--otlp-header", "x-key=flag", OTEL_EXPORTER_OTLP_HEADERS="x-key=environment,x-tenant=the%20shop")
    signals = {path for path, _, _ in collector.asked}
    assert signals == {"/v1/traces", "/v1/logs", "/v1/metrics"}, signals
    for path, headers, _ in collector.asked:
        assert (headers["x-key"], headers["x-tenant"]) == ("flag", "the shop"), path
    for wrong, told in (("k1=v1,k2", "no `=`"), ("a b=sesame1", "`a b`"), ("k=sesame1%0A", "`k`")):
        said = run(*given, code=104, OTEL_EXPORTER_OTLP_HEADERS=wrong)
        assert "OTEL_EXPORTER_OTLP_HEADERS" in said and told in said and "sesame1" not in said, said
    said = run(*given, "--otlp-header", "a b=sesame1", code=104)
    assert "otlp-headers" in said and "sesame1" not in said, said


def test_a_collector_that_sends_elsewhere_is_not_followed_with_the_keys(servers: tuple[Server, Server]) -> None:
    target, collector = servers
    collector.status, collector.location = 307, target.url
    said = run("--host", target.url, "--users", "1", "--iterations", "3", "--otlp", collector.url, "--trace-sample", "1",
               "--otlp-header", "x-key=k1")
    assert collector.asked and "9 spans were not taken" in said, said
    assert {path for path, _, _ in target.asked} == {"/"} and not any("x-key" in headers for _, headers, _ in target.asked)


def test_a_collector_gets_the_log_with_run_worker_and_user(servers: tuple[Server, Server]) -> None:
    target, collector = servers
    run("--host", target.url, "--users", "1", "--iterations", "1", "--otlp", collector.url, "--param", "mode=trap",
        "--log-level", "debug")
    records = []
    for path, _, body in collector.asked:
        if path != "/v1/logs":
            continue
        records += [(dict(fields(record)), attributes(record, 6)) for record in inside(body, 1, 2, 2)]
    [(crash, known)] = [one for one in records if "the user crashed" in dict(fields(one[0][5])).get(1, b"").decode()]
    assert (crash[2], crash[3].decode()) == (17, "ERROR")
    assert (known["loadhost.worker"], known["loadhost.vu"], known["code"]) == ("local", 0, "trap-unreachable")
    assert known["loadhost.run"] and known["code.namespace"] == "guest"
    sources = {one["code.namespace"].split("::")[0] for _, one in records}
    assert "loadhost_control" in sources and not sources & {"hyper", "reqwest", "hyper_util"}, sources


def test_a_worker_of_a_fleet_sends_its_own(fleet: Fleet, servers: tuple[Server, Server]) -> None:
    target, collector = servers
    [master] = fleet.masters(1)
    worker = fleet.worker("w-1", "--otlp", collector.url, "--otlp-interval", "200ms", "--trace-sample", "1")
    until("the worker is ready", worker.ready)
    started = subprocess.run(
        [loadhost(), "start", scenario("hostile"), "--wait", "--url", master.url, "--host", target.url, "--users", "2",
         "--iterations", "20"], capture_output=True, text=True, timeout=60)
    assert started.returncode == 0, started.stdout + started.stderr
    until("all spans are there", lambda: len(spans(collector)) == 60)
    assert {span["attributes"].get("loadhost.worker", "w-1") for span in spans(collector)} == {"w-1"}
