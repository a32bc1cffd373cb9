"""Who asks through a balancer: once, all the time, or as a page that follows the live stream."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from typing import Any
from urllib.parse import urlsplit


def connect(url: str, context: ssl.SSLContext | None, timeout: float = 10.0, source: str = "") -> http.client.HTTPConnection:
    """To be kept for several requests; from this address of the machine's own."""
    where = urlsplit(url)
    assert where.hostname
    own = (source, 0) if source else None
    if where.scheme == "https":
        return http.client.HTTPSConnection(where.hostname, where.port, timeout=timeout, context=context, source_address=own)
    return http.client.HTTPConnection(where.hostname, where.port, timeout=timeout, source_address=own)


def headers_of(url: str, context: ssl.SSLContext | None, path: str, **headers: str) -> list[tuple[str, str]]:
    """Each line of an answer's head."""
    line = connect(url, context)
    try:
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        answer.read()
        return [(name.lower(), value) for name, value in answer.getheaders()]
    finally:
        line.close()


class Visitor:
    """Asks for something each 100 ms, over one connection; what fails is kept. A body makes it `PATCH`."""

    def __init__(self, url: str, context: ssl.SSLContext | None, paths: list[str], headers: dict[str, str], body: Any = None):
        self.url, self.context, self.paths = url, context, paths
        self.headers = {**headers, "content-type": "application/json"}
        self.method = "PATCH" if body else "GET"
        self.body = json.dumps(body) if body else None
        self.asked = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def _go(self) -> None:
        line = connect(self.url, self.context)
        while not self._stop.wait(0.1):
            path = self.paths[self.asked % len(self.paths)]
            self.asked += 1
            try:
                line.request(self.method, path, self.body, self.headers)
                answer = line.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self._failed(path, f"{answer.status} {body[:200]!r}")
            except (OSError, http.client.HTTPException) as error:
                self._failed(path, repr(error))
                line.close()
                line = connect(self.url, self.context)
        line.close()

    def _failed(self, path: str, what: str) -> None:
        self.failures.append(f"after {time.monotonic() - self._began:.2f} s: {self.method} {path}: {what}")

    def leave(self) -> None:
        """What it saw stands fast from here on."""
        self._stop.set()
        self._thread.join(15)


def merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = merged(new.get(key), value)
    return new


class Page:
    """Follows the live stream as a browser's page does: comes back after the time it is told, with the last id it saw."""

    def __init__(self, url: str, context: ssl.SSLContext | None, headers: dict[str, str], run: str | None = None):
        self.url, self.context, self.headers = url, context, headers
        self.path = "/api/v1/live" + (f"?run={run}" if run else "")
        self.doc: dict[str, Any] = {}
        self.points: dict[float, list[Any]] = {}
        #: Moment, id and kind of each event.
        self.events: list[tuple[float, str, str]] = []
        #: Seconds after which it came back, and what had happened.
        self.cuts: list[tuple[float, str]] = []
        self.refused: list[str] = []
        self._retry = 1.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    @property
    def epoch(self) -> str:
        """Of the master that told it last: its ids begin so."""
        return self.events[-1][1].rpartition("-")[0] if self.events else ""

    def epochs(self) -> list[str]:
        """Of all masters that told it, one after the other."""
        found: list[str] = []
        for _, name, _ in self.events:
            epoch = name.rpartition("-")[0]
            if not found or found[-1] != epoch:
                found.append(epoch)
        return found

    def gaps(self) -> list[float]:
        """Seconds between two events."""
        moments = [moment for moment, _, _ in self.events]
        return [later - earlier for earlier, later in zip(moments, moments[1:])]

    def _go(self) -> None:
        while not self._stop.is_set():
            why = "ended"
            try:
                self._read()
            except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
                why = repr(error)
            self.cuts.append((time.monotonic(), why))
            self._stop.wait(self._retry)

    def _read(self) -> None:
        line = connect(self.url, self.context, timeout=30)
        try:
            headers = dict(self.headers)
            if self.events:
                headers["Last-Event-ID"] = self.events[-1][1]
            line.request("GET", self.path, headers=headers)
            answer = line.getresponse()
            if answer.status != 200:
                self.refused.append(f"{answer.status} {answer.read()[:200]!r}")
                return
            self._follow(answer)
        finally:
            line.close()

    def _follow(self, answer: http.client.HTTPResponse) -> None:
        fields: dict[str, str] = {}
        while not self._stop.is_set():
            raw = answer.readline()
            if not raw:
                return
            text = raw.decode().rstrip("\r\n")
            if text:
                name, _, value = text.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            if "retry" in fields:
                self._retry = int(fields["retry"]) / 1000
            if "data" in fields:
                self._take(fields)
            fields = {}

    def _take(self, fields: dict[str, str]) -> None:
        told = json.loads(fields["data"])
        if fields["event"] == "snapshot":
            self.doc = told["doc"]
            self.points = {row[0]: row for row in told["points"]["rows"]}
        else:
            self.doc = merged(self.doc, told["patch"])
            self.points.update({row[0]: row for row in told.get("points", [])})
        self.events.append((time.monotonic(), fields["id"], fields["event"]))

    def leave(self) -> None:
        """Nothing is read from here on."""
        self._stop.set()
