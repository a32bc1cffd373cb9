"""nginx in front of three real masters, with deploy/nginx/loadhost.conf as it is shipped."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from house import DEPLOY, Fleet, Process, ask, free_port, shipped, tool, until
from house import balanced
from house.balancers import Certificate, Doomed, Site

CONF = DEPLOY / "nginx" / "loadhost.conf"


class Nginx(Process):
    """With the shipped file in the smallest `http { … }`."""

    def __init__(self, folder: Path, masters: list[str]):
        folder.mkdir()
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
        http = ["access_log off;", *own, f"include {folder}/loadhost.conf;"]
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
