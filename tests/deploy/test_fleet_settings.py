"""Settings of masters and workers, each seen to do what docs/operations.md says of it: another value, another behaviour."""

from __future__ import annotations

import socket
import subprocess
import time
from urllib.parse import urlsplit

import pytest
from house import Fleet, Master, Overheard, Process, Worker, free_port, loadhost, metric, scenario, until

Pair = tuple[Worker, Worker]


def start(master: Master, target: str, *flags: str) -> str:
    """Starts a run of twenty minutes; its name."""
    command = [loadhost(), "start", scenario(), "--url", master.url, "--host", target, "--run-time", "20m", "--param", "pause=25ms"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()[1]


def end(master: Master, run: str) -> None:
    assert master.ask(f"/api/v1/runs/{run}/stop", method="POST", body={}).status == 200
    until("the run is over", lambda: master.ask(f"/api/v1/runs/{run}").json()["state"] == "finished", within=60)


def shares(master: Master, run: str) -> dict[str, float]:
    """Of the workers that take part."""
    workers = master.ask("/api/v1/workers").json()["workers"]
    return {name: told["share"] for name, told in workers.items() if told["run"] == run}


def running(master: Master, run: str, users: int) -> None:
    until(f"{users} users run", lambda: master.ask(f"/api/v1/runs/{run}").json()["users"] == users, within=60)


# ---- What masters are told.


def test_a_leader_says_that_it_leads_as_often_as_it_is_told(fleet: Fleet) -> None:
    for cluster, heartbeat in (("often", "200ms"), ("seldom", "900ms")):
        fleet.master(cluster, "--cluster", cluster, "--heartbeat", heartbeat)
    often, seldom = (fleet.keep(Overheard(fleet.nats, f"lh.{cluster}.leader")).pace() for cluster in ("often", "seldom"))
    assert 0.15 < often < 0.5 < seldom < 1.5, (often, seldom)


def test_a_leader_that_is_gone_is_followed_after_its_lease(fleet: Fleet) -> None:
    leader = fleet.master("leader", "--lease", "8s")
    leader.says(r"^leading \(term 1\)")
    standby = fleet.master("standby", "--lease", "8s", priority=50)
    standby.says(r"^standing by: .* leads")
    leader.kill()
    killed = time.monotonic()
    standby.says(r"^leading \(term 2\)", within=30)
    # It was last heard a heartbeat, which is a second, before its end. By default it would have been followed after three.
    assert time.monotonic() - killed > 6.5


def test_numbers_of_a_run_are_saved_as_often_as_it_is_told(fleet: Fleet) -> None:
    shop = fleet.shop()
    paces = {}
    for cluster, checkpoint in (("often", "500ms"), ("seldom", "2s")):
        master = fleet.master(cluster, "--cluster", cluster, "--state-checkpoint", checkpoint)
        fleet.worker(f"{cluster}-1", "--cluster", cluster)
        run = start(master, shop.url, "--users", "4")
        running(master, run, 4)
        paces[cluster] = fleet.keep(Overheard(fleet.nats, f"lh.{cluster}.state.run.*")).pace(gaps=3)
        end(master, run)
    assert 0.3 < paces["often"] < 1.2 < paces["seldom"] < 3, paces


def test_a_run_waits_for_its_workers_as_long_as_it_is_told(fleet: Fleet) -> None:
    began = time.monotonic()
    waits = {wait: fleet.keep(Process(f"a run that waits {wait} s", [
        loadhost(), "master", "--nats", fleet.nats.url, "--cluster", f"wait-{wait}", "--listen", "127.0.0.1:0", "--scenario", scenario(),
        "--host", "http://127.0.0.1:9", "--users", "1", "--run-time", "1s", "--expect-workers", "2", "--max-wait", f"{wait}s",
    ])) for wait in (1, 9)}
    took = {}
    for wait, run in waits.items():
        assert run.ends(within=40) != 0
        assert "0 of 2 expected workers can take part" in run.output(), run.output()
        took[wait] = time.monotonic() - began
    assert took[1] < 9 < took[9], took


def test_a_master_takes_so_many_connections_and_counts_those_it_closes(fleet: Fleet) -> None:
    master = fleet.master("small", "--max-connections", "3")
    place = (urlsplit(master.url).hostname, urlsplit(master.url).port)
    asked = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    def answered(line: socket.socket) -> bool:
        try:
            line.sendall(asked)
            return line.recv(65536).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            return False

    held = [socket.create_connection(place, timeout=10) for _ in range(3)]
    assert all(answered(line) for line in held)
    more = [socket.create_connection(place, timeout=10) for _ in range(2)]
    assert not any(answered(line) for line in more)
    assert all(answered(line) for line in held), "who is in stays in"
    for line in [*held, *more]:
        line.close()

    # Whoever looks needs a place, too, and is refused and counted until those above are given back.
    def refused() -> float | None:
        return metric(master, "loadhost_transport_events_total", event="http_connections_refused")

    until("those refused are counted", lambda: (refused() or 0) >= 2)


def test_a_master_above_its_limit_of_cpu_takes_no_new_run_and_says_why(fleet: Fleet) -> None:
    master = fleet.master("busy", "--cpu-limit", "0.0001%")
    worker = fleet.worker("one")
    until("the worker is ready", worker.ready)

    def refused() -> str | None:
        done = subprocess.run([loadhost(), "start", scenario(), "--url", master.url, "--host", "http://127.0.0.1:9", "--run-time", "1s"],
                              capture_output=True, text=True, timeout=60)
        return done.stderr if done.returncode else None

    # Its CPU is measured over some seconds.
    assert "--cpu-limit" in until("a run is refused", refused)


# ---- How load is shared.


@pytest.fixture
def pair(fleet: Fleet) -> Pair:
    """A large worker and a small one: a third of its room, a quarter of its weight."""
    small = fleet.worker("small", "--max-users", "25", "--weight", "1", "--tag", "region:eu", "--tag", "type=standard")
    large = fleet.worker("large", "--max-users", "75", "--weight", "4", "--tag", "region:us")
    return small, large


def ready(master: Master, pair: Pair) -> None:
    until("both workers are ready", lambda: all(worker.ready() for worker in pair))
    until("the master knows both", lambda: metric(master, "loadhost_workers", liveness="alive") == 2)


def test_load_is_shared_as_it_is_told(fleet: Fleet, pair: Pair) -> None:
    master, shop = fleet.master("master"), fleet.shop()
    ready(master, pair)
    for distribution, part in (("round-robin", 0.5), ("least-loaded", 0.25), ("weighted", 0.2)):
        run = start(master, shop.url, "--users", "40", "--distribution", distribution, "--expect-workers", "2")
        running(master, run, 40)
        assert shares(master, run) == pytest.approx({"small": part, "large": 1 - part}, abs=0.01), distribution
        end(master, run)


def test_shares_are_weighed_anew_as_often_as_it_is_told(fleet: Fleet, pair: Pair) -> None:
    """The first deal of `least-loaded` is by room. Once CPU is measured each user costs the same on both, so the shares become equal."""
    master, shop = fleet.master("master"), fleet.shop()
    ready(master, pair)
    load = ("--users", "40", "--distribution", "least-loaded", "--expect-workers", "2")
    often = start(master, shop.url, *load, "--rebalance-interval", "1s")
    running(master, often, 40)
    began = time.monotonic()
    until("the shares come together", lambda: shares(master, often)["small"] > 0.34)
    took = time.monotonic() - began
    end(master, often)
    never = start(master, shop.url, *load, "--rebalance-interval", "0s")
    running(master, never, 40)
    # As long as it took before, and half as long again.
    seen = set()
    until("the time is over", lambda: seen.add(shares(master, never)["small"]) or time.monotonic() - began > 2.5 * took + 4)
    assert seen == {0.25}, seen
    end(master, never)


def test_runs_choose_workers_by_their_tags(fleet: Fleet, pair: Pair) -> None:
    master, shop = fleet.master("master"), fleet.shop()
    ready(master, pair)
    for placement, who in (("region=us", "large"), ("region=eu && type=standard", "small")):
        run = start(master, shop.url, "--users", "5", "--placement", placement)
        running(master, run, 5)
        assert shares(master, run) == {who: 1.0}
        end(master, run)


def test_a_worker_takes_no_more_users_than_it_is_told(fleet: Fleet, pair: Pair) -> None:
    master = fleet.master("master")
    ready(master, pair)
    assert [metric(worker, "loadhost_capacity_users") for worker in pair] == [25, 75]
    refused = subprocess.run(
        [loadhost(), "start", scenario(), "--url", master.url, "--host", "http://127.0.0.1:9", "--users", "120", "--run-time", "2s",
         "--expect-workers", "2", "--wait"], capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "takes 25 at most" in refused.stderr, refused.stderr


# ---- What workers are told.


def test_a_worker_says_how_it_is_as_often_as_it_is_told(fleet: Fleet) -> None:
    for name, heartbeat in (("often", "200ms"), ("seldom", "1200ms")):
        fleet.worker(name, "--heartbeat", heartbeat)
    often, seldom = (fleet.keep(Overheard(fleet.nats, f"lh.default.hb.{name}")).pace() for name in ("often", "seldom"))
    assert 0.15 < often < 0.6 < seldom < 2, (often, seldom)


def test_a_broker_that_is_not_there_is_waited_for_as_long_as_it_is_told(fleet: Fleet) -> None:
    nobody = f"nats://127.0.0.1:{free_port()}"
    began = time.monotonic()
    waits = {wait: fleet.keep(Process(f"a worker that waits {wait} s", [
        loadhost(), "worker", "--nats", nobody, "--listen", "127.0.0.1:0", "--max-wait", f"{wait}s"])) for wait in (1, 7)}
    took = {}
    for wait, worker in waits.items():
        assert worker.ends(within=40) == 115, worker.output()
        took[wait] = time.monotonic() - began
    assert took[1] < 6 < took[7], took


def test_a_broker_that_is_gone_is_tried_as_often_and_as_seldom_as_it_is_told(fleet: Fleet) -> None:
    # The pauses are doubled from 20 ms on, up to the interval.
    started = {interval: fleet.worker(
        interval, "--nats-reconnect-attempts", "9", "--nats-reconnect-interval", interval) for interval in ("100ms", "2s")}
    fleet.nats.kill()
    began = time.monotonic()
    took = {}
    for interval, worker in started.items():
        assert worker.ends(within=60) == 115, worker.output()
        assert "within 9 attempts" in worker.output()
        took[interval] = time.monotonic() - began
    assert took["2s"] > took["100ms"] + 3, took
