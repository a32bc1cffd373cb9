"""HAProxy in front of three real masters, with deploy/haproxy/haproxy.cfg as it is shipped."""

from __future__ import annotations

import base64
import csv
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from house import DEPLOY, Fleet, Process, ask, free_port, loadhost, shipped, tool, until
from house import balanced
from house.balancers import Certificate, Doomed, Site
from house.directives import of_haproxy
from house.readers import Visitor

CONF = DEPLOY / "haproxy" / "haproxy.cfg"
PASSWORD = "a statistics password"
LOGIN = {"Authorization": "Basic " + base64.b64encode(f"operator:{PASSWORD}".encode()).decode()}


class Haproxy(Process):
    """With the shipped file."""

    def __init__(self, folder: Path, masters: list[str]):
        folder.mkdir()
        self.certificate = Certificate(folder)
        for path in [folder.parent, folder]:
            path.chmod(0o711)  # Its sockets lie there, and it is another user.
        self.socket = folder / "admin.sock"
        tls, plain, statistics = free_port(), free_port(), free_port()
        self.url, self.plain = f"https://127.0.0.1:{tls}", f"http://127.0.0.1:{plain}"
        self.statistics = f"http://127.0.0.1:{statistics}/stats"
        self.far = free_port()
        hashed = subprocess.run([tool("openssl"), "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True).stdout.strip()
        places = {f"10.0.1.1{n}:8089": address for n, address in enumerate(masters)}
        places |= {
            "bind :80\n": f"bind 127.0.0.1:{plain}\n",
            "bind :443 ": f"bind 127.0.0.1:{tls} ",
            # The second is for a client that says to be elsewhere.
            "bind 127.0.0.1:8404": f"bind 127.0.0.1:{statistics}\n    bind 127.0.0.1:{self.far} accept-proxy",
            "/etc/ssl/private/loadhost.pem": str(self.certificate.both),
            "/run/haproxy/": f"{folder}/",
            "password !": f"password {hashed}",
        }
        if os.getuid():
            places |= {"    user haproxy\n": "", "    group haproxy\n": "", " user haproxy mode": " mode"}
        file = folder / "haproxy.cfg"
        file.write_text(shipped(CONF, places))
        super().__init__("haproxy", [tool("haproxy"), "-db", "-f", file])
        until("haproxy answers", lambda: ask(f"{self.plain}/balancer-health").status == 200)

    def masters(self) -> dict[str, dict[str, str]]:
        """As the statistics page has them."""
        text = ask(f"{self.statistics};csv", headers=LOGIN).text
        rows = csv.DictReader(text.removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["pxname"] == "loadhost" and row["svname"].startswith("master")}

    def states(self) -> dict[str, str]:
        return {name: row["status"] for name, row in self.masters().items()}

    def told(self, command: str) -> str:
        """By the socket for its administrator."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.socket))
            line.sendall(command.encode() + b"\n")
            return line.makefile().read()

    def all_up(self) -> bool:
        return list(self.states().values()) == ["UP"] * 3


def test_the_door(fleet: Fleet) -> None:
    site = Site(fleet)
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", site.addresses))
    balanced.the_door_is_kept(site, haproxy)
    # The log has it, too, also of what takes one more step, and with the master that took it.
    haproxy.says(r"^127\.0\.0\.9:.* changes_once loadhost/master\d .* 401 ")

    trust = haproxy.certificate.trust()
    until("all masters are up", haproxy.all_up)
    fleet.nats.kill()
    until("no master is ready", lambda: list(haproxy.states().values()) == ["DOWN"] * 3)
    assert ask(f"{haproxy.url}/", context=trust).status == 200
    unready = ask(f"{haproxy.url}/ready", context=trust)
    assert unready.status == 503 and unready.json()["code"] == "not-ready"
    balanced.the_balancer_lives_without_masters(site, haproxy.url, trust)


def test_changes_are_sent_once(fleet: Fleet) -> None:
    folders = (fleet.folder / f"haproxy-{n}" for n in count())
    balanced.changes_are_sent_once(fleet, lambda masters: fleet.keep(Haproxy(next(folders), masters)))


def test_cookies_go_by_tls_only(fleet: Fleet) -> None:
    masters = [fleet.keep(Doomed(answered=("/fine", "/ready", "/health"))) for _ in range(3)]
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", [master.address for master in masters]))
    balanced.cookies_go_by_tls_only(haproxy.url, haproxy.certificate)


def test_a_run_outlives_its_leader(fleet: Fleet) -> None:
    site = Site(fleet)
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", site.addresses))
    balanced.a_run_outlives_its_leader(site, haproxy.url, haproxy.certificate.trust())


def test_masters_leave_without_an_error(fleet: Fleet) -> None:
    site = Site(fleet, "--drain-delay", "3s")
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", site.addresses))
    trust = haproxy.certificate.trust()
    until("all masters are up", haproxy.all_up)
    leader = site.leader()
    run = site.start(haproxy.url, trust, users=6, **{"run-time": "6s"})
    page = site.page_of(leader, haproxy.url, trust, run)
    visitor = Visitor(haproxy.url, trust, balanced.READ, site.bearer)
    writer = Visitor(haproxy.url, trust, [f"/api/v1/runs/{run}"], site.bearer, body={"note": "still here"})

    # Taken out first, then stopped.
    place = f"master{site.masters.index(leader) + 1}"
    drain = [loadhost(), "drain", "--this-master", "--url", leader.url, "--token", site.token, "--wait"]
    drained = subprocess.run(drain, capture_output=True, text=True)
    assert drained.returncode == 0, drained.stderr
    until("HAProxy passes it by", lambda: haproxy.states()[place] == "DOWN")
    assert len(page.epochs()) == 1, "who follows a run there is let be"
    leader.signal(signal.SIGTERM)
    # Stopped without a word: it says so itself, for as long as `--drain-delay`.
    second = site.leader()
    second.signal(signal.SIGTERM)
    balanced.the_page_goes_on(page)
    assert (leader.ends(), second.ends()) == (0, 0)
    until("the page sees the end", lambda: page.doc["run"]["state"] == "finished", within=25)
    for one in [page, visitor, writer]:
        one.leave()
    assert visitor.failures == [] and writer.failures == []
    assert visitor.asked > 60 and writer.asked > 60
    assert site.result(haproxy.url, trust, run) == site.counted()
    for process in [*site.masters, site.worker]:
        process.kill()  # Nobody waits for them to drain.


def test_the_statistics_page_is_for_operators_of_this_machine(fleet: Fleet) -> None:
    masters = [fleet.keep(Doomed(answered=("/ready", "/health"))) for _ in range(3)]
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", [master.address for master in masters]))
    until("all masters are up", haproxy.all_up)
    assert ask(haproxy.statistics).status == 401
    assert ask(haproxy.statistics, headers=LOGIN).headers["refresh"] == "30"
    wrong = {"Authorization": "Basic " + base64.b64encode(b"operator:!").decode()}
    assert ask(haproxy.statistics, headers=wrong).status == 401
    assert ask(f"{haproxy.url}/stats", context=haproxy.certificate.trust()).status == 502, "this is the masters' own"
    out = b"s=master2&action=drain&b=loadhost"
    told = {**LOGIN, "content-type": "application/x-www-form-urlencoded"}
    elsewhere = haproxy_from("192.0.2.7", haproxy.far, out)
    assert "303" in elsewhere and "DENY" in elsewhere, elsewhere
    assert haproxy.all_up()
    assert ask(haproxy.statistics, "POST", out, told).status == 303
    until("it drains", lambda: haproxy.states()["master2"] == "DRAIN")


def test_it_balances_and_limits_as_is_written(fleet: Fleet) -> None:
    masters = [fleet.keep(Doomed(answered=("/fine", "/ready", "/health"), pause=0.4)) for _ in range(3)]
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", [master.address for master in masters]))
    until("all masters are up", haproxy.all_up)
    rows = haproxy.masters()
    assert {name: (row["weight"], row["slim"]) for name, row in rows.items()} \
        == {"master1": ("3", "1900"), "master2": ("2", "1900"), "master3": ("1", "1900")}
    assert "\nMaxconn: 4096\n" in haproxy.told("show info")
    assert ",leastconn," in haproxy.told("show stat"), "by whoever has the fewest"
    trust = haproxy.certificate.trust()
    with ThreadPoolExecutor(24) as askers:
        told = askers.map(lambda _: ask(f"{haproxy.url}/fine", context=trust, timeout=20).status, range(24))
        assert [*told] == [200] * 24
    took = [master.answers["/fine HTTP/1.1"] for master in masters]
    # At once, since weights count among connections; not to the last one, as HAProxy has several threads.
    assert sum(took) == 24 and all(abs(own - share) <= 3 for own, share in zip(took, (12, 8, 4))), took


def test_it_waits_as_long_as_is_written(fleet: Fleet) -> None:
    said = of_haproxy(CONF)
    assert {"timeout connect 2s", "timeout client 60s", "timeout server 60s", "timeout http-request 10s"} <= {*said["defaults"]}
    # Nothing undoes it, but for what is uploaded or changed, whose answer takes its time.
    longer = [line for section, lines in said.items() if section != "defaults" for line in lines if "timeout server" in line]
    assert longer == ["timeout server 160s", "http-request set-timeout server 150s if { path /api/v1/scenarios /api/v1/data-sets }"]
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", ["127.0.0.1:9"] * 3))
    place = urlsplit(haproxy.plain)
    with socket.create_connection((place.hostname, place.port), timeout=30) as slow:
        slow.sendall(b"GET /fine HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert 9 < time.monotonic() - began < 14


def test_its_log_has_requests_and_no_connections_without_one(fleet: Fleet) -> None:
    said = of_haproxy(CONF)
    assert "log stdout format raw local0" in said["global"] and {"option httplog", "option dontlognull"} <= {*said["defaults"]}
    assert "daemon" not in said["global"], "it stays in the foreground, under its service manager"
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", ["127.0.0.1:9"] * 3))
    place = urlsplit(haproxy.plain)
    for _ in range(3):
        socket.create_connection((place.hostname, place.port)).close()
    assert ask(f"{haproxy.plain}/last").status == 308
    haproxy.says(r"^127\.0\.0\.1:\d+ .* loadhost_front .* 308 .*GET /last HTTP/1\.1")
    assert "BADREQ" not in haproxy.output(), haproxy.output()


def test_its_log_has_changes_once_and_also_those_that_do_not_get_beyond_it(fleet: Fleet) -> None:
    masters = [fleet.keep(Doomed(answered=("/fine", "/ready", "/health"))) for _ in range(3)]
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", [master.address for master in masters]))
    trust = haproxy.certificate.trust()
    until("all masters are up", haproxy.all_up)
    assert ask(f"{haproxy.url}/fine", "POST", {}, context=trust).status == 200
    haproxy.says(r" changes_once loadhost/master\d .* 200 .*POST /fine")
    # What its user may not enter, for instance.
    (haproxy.socket.parent / "changes.sock").unlink()
    assert ask(f"{haproxy.url}/lost", "POST", {}, context=trust).status == 503
    haproxy.says(r" loadhost_front~ changes/once .* 503 .*POST /lost")
    assert haproxy.output().count('"POST /fine ') == 1, haproxy.output()


def haproxy_from(address: str, port: int, form: bytes) -> str:
    """Asks the statistics page as somebody at `address`, who has the password."""
    head = f"PROXY TCP4 {address} 127.0.0.1 50000 {port}\r\nPOST /stats HTTP/1.1\r\nHost: x\r\nAuthorization: {LOGIN['Authorization']}\r\n"
    kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall((head + kind).encode() + form)
        return line.makefile("rb").read().decode()
