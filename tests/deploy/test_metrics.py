"""Metrics as Prometheus and a collector read them: well formed, and the same figures both ways."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from house import Fleet, Master, Member, Worker, loadhost, metric, scenario, tool, until
from house.collector import Server, attributes, fields, inside

USERS, ITERATIONS = 5, 400


@pytest.fixture
def collector() -> Iterator[Server]:
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


def load(fleet: Fleet, *flags: str) -> tuple[Master, Worker, int]:
    """A master and a worker after a run, and how many requests were served."""
    master = fleet.master("master", *flags)
    worker = fleet.worker("worker", *flags)
    until("both are ready", lambda: master.ready() and worker.ready(), within=30)
    shop = fleet.shop()
    command = [loadhost(), "start", scenario("http_get"), "--url", master.url, "--host", shop.url, "--users", USERS,
               "--iterations", ITERATIONS, "--threshold", "http_req_failed rate < 1%", "--wait"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return master, worker, ITERATIONS


def check(member: Member) -> None:
    done = subprocess.run([tool("promtool"), "check", "metrics"], input=member.ask("/metrics").text, text=True,
                          capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_promtool_finds_no_fault_in_what_masters_and_workers_tell(fleet: Fleet) -> None:
    master, worker, served = load(fleet)
    check(master)
    check(worker)
    for member in (master, worker):
        assert metric(member, "loadhost_requests_total") == served
        assert metric(member, "loadhost_broker_connected") == 1
        assert (metric(member, "process_resident_memory_bytes") or 0) > 1 << 20
    assert metric(master, "loadhost_thresholds", state="passing") == 1
    assert metric(master, "loadhost_response_time_seconds_count") == served
    assert (metric(master, "loadhost_aggregation_seconds_total") or 0) > 0
    assert metric(master, "loadhost_workers_expected") == 0
    standby = fleet.master("standby", priority=1)
    until("the standby knows the leader", lambda: metric(standby, "loadhost_leader_known") == 1)
    assert [metric(one, "loadhost_leader") for one in (master, standby)] == [1, 0]


def numbers(body: bytes) -> dict[str, float]:
    """Sums of each metric in one message, by the field numbers of opentelemetry/proto/metrics/v1; of histograms their count."""
    found: dict[str, float] = {}
    for one in inside(body, 1, 2, 2):
        parts = dict(fields(one))
        name = parts[1].decode()
        for kind in (5, 7):  # gauge, sum
            for point in inside(one, kind, 1):
                value = dict(fields(point))
                number = value[6] if 6 in value else struct.unpack("<d", struct.pack("<Q", value[4]))[0]
                found[name] = found.get(name, 0) + number
        for point in inside(one, 9, 1):
            value: dict[int, Any] = dict(fields(point))
            counts = struct.unpack(f"<{len(value[6]) // 8}Q", value[6])
            assert sum(counts) == value[4] and len(counts) == len(value[7]) // 8 + 1
            found[name] = found.get(name, 0) + value[4]
    return found


def test_a_collector_is_pushed_the_figures_that_prometheus_reads(fleet: Fleet, collector: Server) -> None:
    flags = ["--otlp", collector.url, "--otlp-interval", "200ms", "--otlp-header", "x-key=k1"]
    master, worker, served = load(fleet, *flags)

    def pushed() -> list[dict[str, float]]:
        bodies = [(headers, body) for path, headers, body in list(collector.asked) if path == "/v1/metrics"]
        assert all(headers["x-key"] == "k1" for headers, _ in bodies)
        return [numbers(body) for _, body in bodies]

    def both() -> bool:
        ofs = [one for one in pushed() if one.get("loadhost_requests") == served]
        return any("loadhost_leader" in one for one in ofs) and any("loadhost_lag_seconds" in one for one in ofs)

    until("master and worker pushed what they served", both)
    [of_master] = [one for one in pushed() if one.get("loadhost_leader") == 1][-1:]
    assert of_master["loadhost_response_time_seconds"] == served
    assert of_master["loadhost_term"] == metric(master, "loadhost_term")
    instances = {attributes(resource, 1)["service.instance.id"] for path, _, body in collector.asked
                 if path == "/v1/metrics" for resource in inside(body, 1, 1)}
    assert len(instances) == 2
    # Nobody takes them any more: counted, said once, and nothing else.
    collector.status = 503
    until("failures are counted", lambda: (metric(master, "loadhost_metric_exports_total", outcome="failed") or 0) >= 3)
    assert worker.stop() == 0
    assert master.output().count("metrics cannot be pushed") == 1
    assert "k1" not in master.output() + worker.output()
