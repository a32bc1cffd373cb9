"""What stands around a balancer in a test: its shipped configuration with a test's places, a certificate, who asks through it, and masters that die."""

from __future__ import annotations

import http.client
import re
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .fleet import Fleet, Master, loadhost, scenario, tool
from .http import ask
from .process import until
from .readers import Page


class Certificate:
    """For 127.0.0.1, signed by itself."""

    def __init__(self, folder: Path):
        self.chain, self.key, self.both = folder / "chain.pem", folder / "key.pem", folder / "both.pem"
        subprocess.run(
            [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=loadhost.example.com", "-addext", "subjectAltName=IP:127.0.0.1,DNS:loadhost.example.com",
             "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", self.key, "-out", self.chain],
            check=True, capture_output=True,
        )
        self.both.write_text(self.chain.read_text() + self.key.read_text())

    def trust(self, *protocols: str, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A client that trusts nothing else."""
        context = ssl.create_default_context(cafile=str(self.chain))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        if version:
            with warnings.catch_warnings(action="ignore"):  # That some are old is the point.
                context.minimum_version = context.maximum_version = version
        return context


class Doomed:
    """Takes a request whole, and hangs up without a word: a master that dies while it works. Counts by method and path.

    What is asked in `answered` is answered, with a cookie, on connections that are kept, and counted apart by path and version of
    HTTP; it takes `pause` seconds.
    """

    def __init__(self, answered: tuple[str, ...] = (), pause: float = 0):
        self.taken: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        lock = threading.Lock()
        doomed = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.one():
                    pass

            def one(self) -> bool:
                words = self.rfile.readline().split()
                if len(words) < 3:
                    return False
                method, path = words[0].decode(), words[1].decode()
                headers = http.client.parse_headers(self.rfile)
                if headers.get("transfer-encoding"):
                    while (size := int(self.rfile.readline(), 16)) and self.rfile.read(size + 2):
                        pass
                    self.rfile.readline()
                else:
                    self.rfile.read(int(headers.get("content-length") or 0))
                if path in answered:
                    with lock:
                        doomed.answers[f"{path} {words[2].decode()}"] += 1
                    time.sleep(pause)
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b; Path=/\r\ncontent-length: 3\r\n\r\nok\n")
                    return True
                with lock:
                    doomed.taken[f"{method} {path}"] += 1
                time.sleep(0.1)  # It is at work when it dies.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_args: Any) -> None:
                """The other end may be gone."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """As processes are stopped."""
        self._server.shutdown()
        self._server.server_close()


class Site:
    """Three masters with a login that trust their balancer, a worker and a shop: what a balancer stands before."""

    PASSWORD = "correct horse battery staple"

    def __init__(self, fleet: Fleet, *flags: str):
        self.fleet = fleet
        self.users = fleet.folder / "users.toml"
        self._user("add", "alice", "--role", "admin", "--password-stdin")
        self.token = re.search(r"lh_\S+", self._user("token", "ci", "--role", "admin")).group(0)  # type: ignore[union-attr]
        self.bearer = {"Authorization": f"Bearer {self.token}"}
        self.shop = fleet.shop("--delay", "3ms")
        self.masters = fleet.masters(3, "--web-users", str(self.users), "--trusted-proxy", "127.0.0.1", *flags)
        self.addresses = [urlsplit(master.url).netloc for master in self.masters]
        self.worker = fleet.worker("one")
        until("the worker is ready", self.worker.ready)

    def _user(self, what: str, name: str, *more: str) -> str:
        command = [loadhost(), "user", what, name, "--web-users", self.users, *more]
        done = subprocess.run(command, input=f"{self.PASSWORD}\n", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def leader(self) -> Master:
        """By its own word."""

        def leads(one: Master) -> bool:
            told = one.ask("/api/v1/workers", headers=self.bearer).json()
            return any(master["leads"] for master in told["masters"] if master["id"] == told["master"])

        return until("one of the masters leads", lambda: next((one for one in self.masters if one.running() and leads(one)), None))

    def start(self, url: str, context: ssl.SSLContext | None, **settings: Any) -> str:
        """Uploads the scenario and starts a run of it through the balancer; its name."""
        wasm = scenario("checkout").read_bytes()
        kind = {"content-type": "application/wasm"}
        pushed = ask(f"{url}/api/v1/scenarios?name=checkout.wasm", "POST", wasm, {**self.bearer, **kind}, 60, context)
        assert pushed.status in (200, 201), pushed.text
        wanted = {"scenario": pushed.json()["digest"], "settings": {"host": self.shop.url, **settings}}
        started = ask(f"{url}/api/v1/runs", "POST", wanted, self.bearer, 30, context)
        assert started.status == 201, started.text
        return started.json()["run"]

    def page_of(self, master: Master, url: str, context: ssl.SSLContext | None, run: str) -> Page:
        """A page behind the balancer whose stream comes from this master."""
        own = Page(master.url, None, self.bearer, run)
        pages: list[Page] = []

        def led() -> Page | None:
            pages.append(Page(url, context, self.bearer, run))
            until("the page is told something", lambda: own.events and pages[-1].events)
            return pages[-1] if pages[-1].epoch == own.epoch else None

        try:
            return until(f"a page gets its stream from {master.name}", led)
        finally:
            for page in [own, *pages[:-1]]:
                page.leave()

    def counted(self) -> dict[str, int]:
        """What the shop served, by method and path."""
        paths = ask(f"{self.shop.url}/_stats").json()["paths"]
        return {path: told["count"] for path, told in paths.items() if told["count"]}

    def result(self, url: str, context: ssl.SSLContext | None, run: str) -> dict[str, int]:
        """What an ended run says it sent, by method and path."""
        told = ask(f"{url}/api/v1/runs/{run}/results.json", headers=self.bearer, context=context).json()
        rows = {f"{row['method']} {row['name']}": row["requests"] for row in told["series"]}
        assert sum(rows.values()) == told["requests"], told["series"]
        return rows
