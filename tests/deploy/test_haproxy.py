"""HAProxy in front of three real masters, with deploy/haproxy/haproxy.cfg as it is shipped."""

from __future__ import annotations

import os
import subprocess
from itertools import count
from pathlib import Path

from house import DEPLOY, Fleet, Process, ask, free_port, tool, until
from house import balanced
from house.balancers import Certificate, Site, shipped

CONF = DEPLOY / "haproxy" / "haproxy.cfg"
PASSWORD = "a statistics password"


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
        hashed = subprocess.run([tool("openssl"), "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True).stdout.strip()
        places = {f"10.0.1.1{n}:8089": address for n, address in enumerate(masters)}
        places |= {
            "bind :80\n": f"bind 127.0.0.1:{plain}\n",
            "bind :443 ": f"bind 127.0.0.1:{tls} ",
            "bind 127.0.0.1:8404": f"bind 127.0.0.1:{statistics}",
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


def test_the_door(fleet: Fleet) -> None:
    site = Site(fleet)
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", site.addresses))
    trust = haproxy.certificate.trust()
    balanced.only_tls_of_today_is_spoken(haproxy.url, haproxy.certificate)
    balanced.plain_http_is_sent_to_https(haproxy.plain)
    balanced.each_header_is_said_once(site, haproxy.url, trust)
    balanced.the_pages_files_are_asked_for_anew(haproxy.url, trust)
    balanced.a_login_holds_on_all_masters(site, haproxy.url, trust)
    balanced.uploads_are_bounded_as_the_masters_do(site, haproxy.url, trust)
    balanced.logins_are_counted_by_the_clients_address(site, haproxy.url, trust)


def test_changes_are_sent_once(fleet: Fleet) -> None:
    folders = (fleet.folder / f"haproxy-{n}" for n in count())
    balanced.changes_are_sent_once(fleet, lambda masters: fleet.keep(Haproxy(next(folders), masters)))


def test_a_run_outlives_its_leader(fleet: Fleet) -> None:
    site = Site(fleet)
    haproxy = fleet.keep(Haproxy(fleet.folder / "haproxy", site.addresses))
    balanced.a_run_outlives_its_leader(site, haproxy.url, haproxy.certificate.trust())
