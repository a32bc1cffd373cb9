"""nginx in front of three real masters, with deploy/nginx/loadhost.conf as it is shipped."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from house import DEPLOY, Fleet, Process, ask, free_port, shipped, tool, until
from house import balanced
from house.balancers import Certificate, Doomed, Site
from house.directives import of_nginx

CONF = DEPLOY / "nginx" / "loadhost.conf"


class Nginx(Process):
    """With the shipped file in the smallest `http { … }`, or after another server."""

    def __init__(self, folder: Path, masters: list[str], other: str = ""):
        folder.mkdir()
        self.log = folder / "access.log"
        self.certificate = Certificate(folder)
        tls, plain = free_port(), free_port()
        self.url, self.plain = f"https://127.0.0.1:{tls}", f"http://127.0.0.1:{plain}"
        places = {f"10.0.1.1{n}:8089": address for n, address in enumerate(masters)}
        places |= {
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl": f"listen 127.0.0.1:{tls} ssl",
            "/etc/ssl/certs/loadhost.pem": str(self.certificate.chain),
            "/etc/ssl/private/loadhost.key": str(self.certificate.key),
        }
        (folder / "loadhost.conf").write_text(shipped(CONF, places))
        around = ["daemon off;", f"pid {folder}/pid;", "error_log stderr;", "worker_processes 2;", "events {}"]
        if os.getuid() == 0:
            around.append("user root;")  # The test's folder is open to nobody else.
        own = [f"{kind}_temp_path {folder}/{kind};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]]
        if other:
            identity = f"ssl_certificate {self.certificate.chain}; ssl_certificate_key {self.certificate.key};"
            other = f"server {{ listen 127.0.0.1:{tls} ssl; {identity} {other} }}"
        http = [f"access_log {self.log};", *own, other, f"include {folder}/loadhost.conf;"]
        (folder / "nginx.conf").write_text("\n".join([*around, "http {", *http, "}\n"]))
        self.command = [tool("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        super().__init__("nginx", self.command)
        until("nginx answers", lambda: ask(f"{self.plain}/balancer-health").status == 200)


def test_the_door(fleet: Fleet) -> None:
    site = Site(fleet)
    nginx = fleet.keep(Nginx(fleet.folder / "nginx", site.addresses))
    balanced.the_door_is_kept(site, nginx)
    balanced.the_balancer_lives_without_masters(site, nginx.url, nginx.certificate.trust())


def test_changes_are_sent_once(fleet: Fleet) -> None:
    folders = (fleet.folder / f"nginx-{n}" for n in count())
    balanced.changes_are_sent_once(fleet, lambda masters: fleet.keep(Nginx(next(folders), masters)))


def test_cookies_go_by_tls_only(fleet: Fleet) -> None:
    masters = [fleet.keep(Doomed(answered=("/fine", "/ready", "/health"))) for _ in range(3)]
    nginx = fleet.keep(Nginx(fleet.folder / "nginx", [master.address for master in masters]))
    balanced.cookies_go_by_tls_only(nginx.url, nginx.certificate)


def test_a_run_outlives_its_leader(fleet: Fleet) -> None:
    site = Site(fleet)
    nginx = fleet.keep(Nginx(fleet.folder / "nginx", site.addresses))
    balanced.a_run_outlives_its_leader(site, nginx.url, nginx.certificate.trust())


def test_it_balances_limits_and_encrypts_as_is_written() -> None:
    said = of_nginx(CONF)
    limits = "max_fails=3 fail_timeout=30s max_conns=1900"
    assert {"least_conn", *(f"server 10.0.1.1{n}:8089 weight={3 - n} {limits}" for n in range(3))} <= {*said["upstream loadhost_masters"]}
    site = dict(line.split(" ", 1) for line in said["server 443"] if not line.startswith(("add_header", "proxy_set_header")))
    assert site["listen"] == "443 ssl http2" and site["ssl_protocols"] == "TLSv1.2 TLSv1.3"
    assert all(cipher.startswith("ECDHE-") and ("GCM" in cipher or "CHACHA20" in cipher) for cipher in site["ssl_ciphers"].split(":"))
    assert [site[f"proxy_{what}_timeout"] for what in ("connect", "send", "read")] == ["2s", "60s", "60s"]
    assert [site[f"proxy_{what}"] for what in ("buffering", "request_buffering", "http_version")] == ["off", "off", "1.1"]
    # Nothing below undoes it, but for uploads, whose answer takes its time.
    assert [line for block, lines in said.items() if block.startswith("server 443 >") for line in lines
            if line.startswith(("proxy_buffering", "proxy_http", "proxy_read"))] == ["proxy_read_timeout 60s", "proxy_read_timeout 150s"]


def test_requests_go_by_weight_in_http_1_1_and_who_only_looks_is_not_logged(fleet: Fleet) -> None:
    masters = [fleet.keep(Doomed(answered=("/fine", "/api/v1/live"))) for _ in range(3)]
    nginx = fleet.keep(Nginx(fleet.folder / "nginx", [master.address for master in masters]))
    trust = nginx.certificate.trust()
    for path in ["/api/v1/live", "/balancer-health", *["/fine"] * 60]:
        assert ask(nginx.url + path, context=trust).status == 200
    took = [master.answers["/fine HTTP/1.1"] for master in masters]
    assert sum(took) == 60 and all(abs(own - share) <= 2 for own, share in zip(took, (30, 20, 10))), took
    until("all that is logged is written", lambda: nginx.log.read_text().count("GET /fine ") == 60)
    assert "/api/v1/live" not in nginx.log.read_text() and "/balancer-health" not in nginx.log.read_text()


def test_other_names_are_left_to_other_servers(fleet: Fleet) -> None:
    masters = [fleet.keep(Doomed(answered=("/fine",))) for _ in range(3)]
    nginx = fleet.keep(Nginx(fleet.folder / "nginx", [master.address for master in masters], other="return 421;"))
    told = {name: ask(f"{nginx.url}/fine", headers={"Host": name}, context=nginx.certificate.trust()).status
            for name in ("loadhost.example.com", "other.example.com")}
    assert told == {"loadhost.example.com": 200, "other.example.com": 421}


def test_a_master_that_takes_no_connection_is_passed_by_after_two_seconds_and_then_left_alone(fleet: Fleet) -> None:
    others = [fleet.keep(Doomed(answered=("/fine",))) for _ in range(2)]
    with ExitStack() as held:
        # Nobody accepts, and there is room for nobody to wait.
        full = held.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held.enter_context(socket.create_connection(full.getsockname()))
        silent = f"127.0.0.1:{full.getsockname()[1]}"
        nginx = fleet.keep(Nginx(fleet.folder / "nginx", [silent, *(master.address for master in others)]))
        took = []
        for _ in range(16):
            began = time.monotonic()
            assert ask(f"{nginx.url}/fine", context=nginx.certificate.trust()).status == 200
            took.append(time.monotonic() - began)
    slow = [one for one in took if one > 1]
    assert len(slow) == 3 and all(1.9 < one < 4 for one in slow), f"three attempts of two seconds, then none for half a minute: {took}"
