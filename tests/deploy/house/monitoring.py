"""What watches a fleet: Prometheus and Alertmanager with the shipped files, a node exporter, and somebody who is told."""

from __future__ import annotations

import email
import email.message
import email.policy
import json
import os
import re
import shutil
import socketserver
import subprocess
import threading
import urllib.parse
from pathlib import Path
from typing import Any

from .collector import Server
from .fleet import DEPLOY, Fleet, Master, Worker, loadhost, scenario, shipped, tool
from .http import ask
from .process import Process, free_port, until

PROMETHEUS = DEPLOY / "prometheus"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
RULES = PROMETHEUS / "loadhost.rules.yml"
#: What tests change of the shipped files besides addresses: how often is looked, and for how long something must be so.
FASTER = {
    r"(scrape_interval|evaluation_interval): \d+s": r"\1: 1s",
    r"\bfor: \d+[smh]": "for: 1s",
    r"group_wait: \d+[smh]": "group_wait: 1s",
    r"group_interval: \d+[smh]": "group_interval: 1s",
}


def faster(text: str) -> str:
    """With a test's patience, and nothing else changed."""
    for pattern, instead in FASTER.items():
        text = re.sub(pattern, instead, text)
    return text


def address(url: str) -> str:
    """Host and port."""
    return urllib.parse.urlsplit(url).netloc


def run_tool(name: str, *arguments: str | os.PathLike[str], cwd: Path | None = None, stdin: str | None = None) -> str:
    """Its words; it must succeed."""
    done = subprocess.run([tool(name), *map(str, arguments)], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{name} {arguments}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


class Prometheus(Process):
    """In a folder that holds its configuration already."""

    def __init__(self, folder: Path):
        self.folder = folder
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                   f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle"]
        super().__init__("prometheus", command)
        self.says("Server is ready to receive web requests")

    def get(self, path: str, **parameters: str) -> Any:
        """What its API answers."""
        answer = ask(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=20).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series of an expression now; of a single number, one without labels."""
        data = self.get("query", query=expression)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(found["metric"], float(found["value"][1])) for found in data["result"]]

    def number(self, expression: str) -> float | None:
        """Of its only series."""
        found = self.query(expression)
        assert len(found) < 2, f"{expression} has several series: {found}"
        return found[0][1] if found else None

    def targets(self) -> list[dict[str, Any]]:
        return self.get("targets")["activeTargets"]


class Alertmanager(Process):
    """With the shipped file, but for addresses, patience, and mail that goes to this machine without TLS."""

    def __init__(self, folder: Path, webhook: str, mail: str = "127.0.0.1:9"):
        folder.mkdir()
        (folder / "smtp-password").write_text("secret")
        places = {
            "/etc/alertmanager/smtp-password": f"{folder}/smtp-password", "http://127.0.0.1:9095/loadhost": webhook,
            "smtp_smarthost: 'mail.example.com:587'": f"smtp_smarthost: '{mail}'\n  smtp_require_tls: false",
        }
        (folder / "alertmanager.yml").write_text(faster(shipped(ALERTMANAGER, places)))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [tool("prometheus-alertmanager"), f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
                   f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
        super().__init__("alertmanager", command)
        until("Alertmanager is ready", lambda: ask(f"{self.url}/-/ready").status == 200)

    def alerts(self, fleet: str) -> dict[str, str]:
        """The state of each of a fleet, by name."""
        told = ask(f"{self.url}/api/v2/alerts").json()
        return {one["labels"]["alertname"]: one["status"]["state"] for one in told if one["labels"]["fleet"] == fleet}


class NodeExporter(Process):
    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        super().__init__("node-exporter", [tool("prometheus-node-exporter"), f"--web.listen-address={address(self.url)}"])
        until("the node exporter answers", lambda: ask(self.url).status == 200)


class Told(Server):
    """Whom Alertmanager's webhook tells; keeps each message."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.asked]

    def of(self, alert: str, status: str, **labels: str) -> list[dict[str, Any]]:
        """Alerts of this name and status (`firing`, `resolved`) with these labels, as they were told."""
        alerts = [one for message in self.messages for one in message["alerts"]]
        wanted = {"alertname": alert, **labels}
        return [one for one in alerts if one["status"] == status and wanted.items() <= one["labels"].items()]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Mailbox:
    """A mail server that takes all there is, with a password, and keeps it."""

    ANSWERS = {b"EHLO": b"250-mail\r\n250 AUTH PLAIN", b"AUTH": b"235 come in", b"DATA": b"354 go on", b"QUIT": b"221 bye"}

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        mailbox = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 mail\r\n")
                while word := self.rfile.readline()[:4].upper():
                    self.wfile.write(mailbox.ANSWERS.get(word, b"250 well") + b"\r\n")
                    if word == b"DATA":
                        text = b"".join(iter(self.rfile.readline, b".\r\n"))
                        mailbox.mails.append(email.message_from_bytes(text, policy=email.policy.default))  # type: ignore[arg-type]
                        self.wfile.write(b"250 taken\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Watched:
    """Two masters with a login, two workers, a shop, a machine, and a Prometheus that asks them as the shipped file says."""

    def __init__(self, fleet: Fleet, alertmanager: str = "127.0.0.1:9", error_rate: str = "0.01"):
        self.fleet = fleet
        users = fleet.folder / "users.toml"
        self.token = self._token(users)
        self.shop = fleet.shop("--delay", "2ms", "--error-rate", error_rate)
        self.masters: list[Master] = fleet.masters(2, "--web-users", str(users))
        self.workers: list[Worker] = [fleet.worker("one", "--memory-limit", "2GiB"), fleet.worker("two")]
        self.machine: NodeExporter = fleet.keep(NodeExporter())
        self.prometheus: Prometheus = fleet.keep(Prometheus(self._configured(alertmanager)))

    @staticmethod
    def _token(users: Path) -> str:
        command = [loadhost(), "user", "token", "--web-users", users, "--role", "operate", "prometheus"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        found = re.search(r"lh_\S+", done.stdout)
        assert found, done.stdout + done.stderr
        return found.group(0)

    def _configured(self, alertmanager: str) -> Path:
        """A folder with the shipped files, for these addresses."""
        folder = self.fleet.folder / "prometheus"
        folder.mkdir()
        (folder / "loadhost-token").write_text(self.token)
        (folder / "loadhost.rules.yml").write_text(faster(RULES.read_text()))
        one, two = [address(master.url) for master in self.masters]
        places = {
            "master-1:8089": one, "master-2:8089": two, "          - 'master-3:8089'\n": "",
            "node1:9100": address(self.machine.url), "          - 'node2:9100'\n          - 'node3:9100'\n": "",
            "alertmanager:9093": alertmanager,
        }
        (folder / "prometheus.yml").write_text(faster(shipped(PROMETHEUS / "prometheus.yml", places)))
        self.list_workers(folder)
        return folder

    def list_workers(self, folder: Path | None = None) -> None:
        """Writes the list of workers anew, for those that run."""
        running = [address(worker.url) for worker in self.workers if worker.running()]
        several = "\n    - ".join(f"'{one}'" for one in running)
        text = shipped(PROMETHEUS / "workers.yml", {"'worker-1:9090'": several})
        lines = [line for line in text.splitlines() if "worker-" not in line]
        file = (folder or self.prometheus.folder) / "workers.yml"
        unfinished = file.with_suffix(".new")
        unfinished.write_text("\n".join(lines) + "\n")
        shutil.move(unfinished, file)

    def leader(self) -> Master:
        bearer = {"authorization": f"Bearer {self.token}"}
        says = re.compile(r"^loadhost_leader 1$", re.MULTILINE)
        return until("a master leads", lambda: next((m for m in self.masters if says.search(m.ask("/metrics", headers=bearer).text)), None))

    def start(self, *flags: str) -> str:
        """Starts the shop's scenario on both workers; the run."""
        command = [loadhost(), "start", scenario("checkout"), "--url", self.leader().url, "--token", self.token, "--host", self.shop.url,
                   "--expect-workers", "2", *flags]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def end(self) -> None:
        """At once: nobody waits for workers that hand over what they have."""
        for member in [*self.workers, *self.masters]:
            member.kill()
