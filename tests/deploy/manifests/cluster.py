"""The pods of the manifests as processes of this machine: what the objects say, on addresses of loopback.

Each pod has an address of its own. Only two things are put in: that address for 0.0.0.0, and the names of pods into `/etc/hosts`.
Volumes, users, read-only roots, environment, arguments and probes are the manifests'. What is left out: limits, policies, the scheduler.
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

from house import ask, tool, until

from .container import Container, Image, Volume, root_of
from .objects import Objects, Pod, Tree
from .settings import ours


class Running:
    """One pod."""

    def __init__(self, cluster: Cluster, pod: Pod, name: str):
        self.name, self.address = name, cluster.addresses[name]
        self._cluster, self._pod = cluster, pod
        self.container: Tree = pod.spec["containers"][0]
        self._image = cluster.loadhost if ours(self.container) else cluster.nats
        security = pod.spec["securityContext"]
        self._identity = {"user": f"{security['runAsUser']}:{security['runAsGroup']}", "groups": [security["fsGroup"]]}
        self._volumes = [cluster.volume(pod, mount, name) for mount in self.container.get("volumeMounts", [])]
        command = cluster.objects.command(pod, self.container, name)
        self.process = self.run(name, command if "command" in self.container else [*self._entry(), *command])

    def _entry(self) -> list[str]:
        return list(self._image.config["Entrypoint"])  # type: ignore[call-overload]

    def run(self, name: str, command: list[str]) -> Container:
        """In its root and as its user: the pod itself, or what a hook of it runs."""
        words = [word.replace("0.0.0.0", self.address) for word in command]
        if not words[0].startswith("/"):
            words[0] = f"/bin/{words[0]}"
        env = self._cluster.objects.environment(self._pod, self.container, self.name)
        return self._cluster.keep(Container(name, self._image, words, env, self._volumes, **self._identity))

    def hook(self) -> Container:
        """Its preStop."""
        return self.run(f"{self.name}: preStop", self.container["lifecycle"]["preStop"]["exec"]["command"])

    def passes(self, probe: str) -> bool:
        """As the kubelet asks, without the headers that a browser would send."""
        get = self.container[probe]["httpGet"]
        return 200 <= ask(f"http://{self.address}:{self._pod.port(get['port'])}{get['path']}").status < 400

    def asked(self, port: str, path: str, token: str = "") -> str:
        """What it answers at a port by name."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return ask(f"http://{self.address}:{self._pod.port(port)}{path}", headers=headers).text

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self._pod.port('web')}"

    @property
    def grace(self) -> float:
        return self._pod.spec["terminationGracePeriodSeconds"]


class Cluster:
    """What runs; `end` leaves nothing of it."""

    def __init__(self, objects: Objects, image: Image, folder: Path, workers: int):
        self.objects, self.loadhost, self.folder = objects, image, folder
        self.nats = root_of(Path(tool("nats-server")), folder / "nats-root")
        self._started: list[Container] = []
        net = f"127.{random.randint(10, 250)}.{random.randint(1, 250)}"
        names = [name for pod in objects.pods() for name in self._names(pod, workers)]
        self.addresses = {name: f"{net}.{n}" for n, name in enumerate(names, 1)}
        self._workers = workers
        hosts = "127.0.0.1 localhost\n"
        for pod in objects.pods():
            service = pod.owner["spec"].get("serviceName")
            hosts += "".join(f"{self.addresses[name]} {name}.{service} {name}\n" for name in pod.names if service)
        for root in (self.loadhost.root, self.nats.root):
            (root / "etc/hosts").write_text(hosts)

    def _names(self, pod: Pod, workers: int) -> list[str]:
        return [f"{pod.names[0]}-{n}" for n in range(workers)] if pod.owner["kind"] == "Deployment" else pod.names

    def start(self, name: str) -> list[Running]:
        """All pods of a workload."""
        pod = self.objects.pod(name)
        return [Running(self, pod, one) for one in self._names(pod, self._workers)]

    def ready(self, pods: list[Running], probe: str = "readinessProbe") -> None:
        for pod in pods:
            def look(pod: Running = pod) -> bool:
                assert pod.process.running(), pod.process.output()
                return pod.passes(probe)

            until(f"{probe} of {pod.name}", look, within=30)

    def keep(self, container: Container) -> Container:
        self._started.append(container)
        return container

    def end(self) -> None:
        for container in reversed(self._started):
            container.stop(within=0.2)

    def volume(self, pod: Pod, mount: Tree, name: str) -> Volume:
        """As the kubelet lays it out: owned by root, the group's by `fsGroup`; files through a link that is exchanged as a whole."""
        group = pod.spec["securityContext"]["fsGroup"]
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
        volume = volumes.get(mount["name"], {"emptyDir": {}})
        folder = self.folder / name / mount["name"]
        folder.mkdir(parents=True)
        kind = next(kind for kind in ("secret", "configMap", "emptyDir") if kind in volume)
        if kind == "emptyDir":
            os.chown(folder, 0, group)
            folder.chmod(0o2777)
            return Volume(folder, mount["mountPath"], read_only=bool(mount.get("readOnly")))
        reference = volume[kind].get("secretName", volume[kind].get("name"))
        data = self.objects.data("Secret" if kind == "secret" else "ConfigMap", reference) or {}
        (folder / "..2026").mkdir()
        (folder / "..data").symlink_to("..2026")
        for key, text in data.items():
            file = folder / "..2026" / key
            file.write_text(re.sub(r"\b0\.0\.0\.0:", f"{self.addresses[name]}:", text))
            os.chown(file, 0, group)
            # With `fsGroup`, the group may read what the owner may.
            file.chmod(volume[kind].get("defaultMode", 0o644) | 0o040)
            (folder / key).symlink_to(f"..data/{key}")
        return Volume(folder, mount["mountPath"])
