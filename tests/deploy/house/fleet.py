"""A real fleet: nats-server, masters, workers, and a shop to load."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .http import Answer, ask
from .process import Process, free_port, until

CHECKOUT = Path(__file__).resolve().parents[3]
DEPLOY = CHECKOUT / "deploy"
LISTENING = r"^listening on (https?://\S+)"


def loadhost() -> Path:
    """The program under test."""
    return Path(os.environ["LOADHOST_BIN"])


def scenario(name: str = "checkout") -> Path:
    """A built scenario."""
    return Path(os.environ["LOADHOST_GUESTS"]) / f"{name}.wasm"


def tool(name: str) -> str:
    """A program of the distribution, also from where only root looks."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{name} is missing: scripts/setup-tests.sh installs it"
    return found


def shipped(file: Path, places: dict[str, str]) -> str:
    """The file as it is shipped, but for these places, each of which must be there."""
    text = file.read_text()
    for place, becomes in places.items():
        assert place in text, f"{file} has no {place!r}"
        text = text.replace(place, becomes)
    return text


class NatsServer(Process):
    """One server with JetStream in a folder of its own."""

    def __init__(self, folder: Path):
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._command = [tool("nats-server"), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(folder)]
        super().__init__("nats-server", self._command)
        self.says("Server is ready")


class Shop(Process):
    """`loadhost demo-shop`; its own counts are the truth."""

    def __init__(self, *flags: str):
        super().__init__("demo-shop", [loadhost(), "demo-shop", "--listen", "127.0.0.1:0", *flags])
        self.url = self.says(r"http://127\.0\.0\.1:\d+").group(0)


class Member(Process):
    """A master or worker; `url` is where it is asked."""

    def __init__(self, name: str, arguments: Sequence[str], env: dict[str, str] | None = None):
        super().__init__(name, [loadhost(), *arguments], env=env)
        self.url = self.says(LISTENING, within=30).group(1)

    def ask(self, path: str, **how: Any) -> Answer:
        """At its own address, around any balancer."""
        return ask(self.url + path, **how)

    def ready(self) -> bool:
        return self.ask("/ready").status == 200


class Master(Member):
    def __init__(self, nats: str, name: str, *flags: str, listen: str = "127.0.0.1:0", priority: int = 100):
        super().__init__(name, ["master", "--nats", nats, "--listen", listen, "--priority", str(priority), *flags])

    def leads(self) -> bool:
        """By its own metrics."""
        return metric(self, "loadhost_leader") == 1


class Worker(Member):
    def __init__(self, nats: str, name: str, *flags: str, listen: str = "127.0.0.1:0"):
        super().__init__(name, ["worker", "--nats", nats, "--id", name, "--listen", listen, *flags])


def metric(member: Member, name: str, **labels: str) -> float | None:
    """The sum of its series with these labels, None without any."""
    found = None
    for line in member.ask("/metrics").text.splitlines():
        series, _, value = line.rpartition(" ")
        head, _, rest = series.partition("{")
        if head == name and all(f'{key}="{word}"' in rest for key, word in labels.items()):
            found = (found or 0.0) + float(value)
    return found


class Fleet:
    """What one test starts; everything ends with it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="loadhost-deploy-"))
        self._members: list[Process] = []
        self.nats = self.keep(NatsServer(self.folder / "nats"))

    def keep(self, process: Any) -> Any:
        """Ends it with the fleet."""
        self._members.append(process)
        return process

    def shop(self, *flags: str) -> Shop:
        return self.keep(Shop(*flags))

    def master(self, name: str, *flags: str, **how: Any) -> Master:
        return self.keep(Master(self.nats.url, name, *flags, **how))

    def worker(self, name: str, *flags: str, **how: Any) -> Worker:
        return self.keep(Worker(self.nats.url, name, *flags, **how))

    def masters(self, count: int, *flags: str) -> list[Master]:
        """With falling priorities, ready, one of them leading."""
        masters = [self.master(f"master-{n}", *flags, priority=100 - 10 * n) for n in range(count)]
        for master in masters:
            until(f"{master.name} is ready", master.ready, within=30)
        return masters

    def end(self) -> None:
        for process in reversed(self._members):
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
