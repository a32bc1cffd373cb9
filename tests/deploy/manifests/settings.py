"""What the pods tell our program and the broker: settings that exist, files that are there, ports that are declared."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from collections.abc import Iterator
from functools import cache

from house import loadhost

from .objects import Objects, Pod, Tree

#: Bits of the network of one node's pods, as Kubernetes gives it out (`--node-cidr-mask-size-ipv4` and `-ipv6`). What has fewer is more than that.
NODE_BITS = {4: 24, 6: 64}

@cache
def known_settings() -> tuple[frozenset[str], frozenset[str]]:
    """Variables of the environment, and the beginnings of those that end in a name of one's own."""
    table = subprocess.run([loadhost(), "help", "settings"], capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"`(LOADHOST_[A-Z_]+)`", table))
    maps = {name.removesuffix("NAME") for name in names if name.endswith("_NAME")}
    return frozenset(name for name in names if not name.endswith("_NAME")), frozenset(maps)


@cache
def known_flags(command: str) -> frozenset[str]:
    """Of one of our commands."""
    text = subprocess.run([loadhost(), command, "--help"], capture_output=True, text=True, check=True).stdout
    return frozenset(re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", text, re.MULTILINE))


def ours(container: Tree) -> bool:
    return re.search(r"(^|/)loadhost(:|$)", container["image"]) is not None


def settings_are_known(objects: Objects) -> Iterator[str]:
    """Each LOADHOST_… is a setting, each flag one of its command's."""
    plain, maps = known_settings()
    for pod in objects.pods():
        for container in filter(ours, pod.containers):
            where = f"{pod.owner['kind']} {pod.name}"
            for name in pod.names:
                for variable in objects.environment(pod, container, name):
                    if variable.startswith("LOADHOST_") and variable not in plain \
                            and not any(variable.startswith(start) for start in maps):
                        yield f"{where}: {variable} is no setting"
                command, *rest = objects.command(pod, container, name)
                for flag in [word.partition("=")[0] for word in rest if word.startswith("--")]:
                    if flag not in known_flags(command) | {"--config"}:
                        yield f"{where}: `loadhost {command}` has no {flag}"


def words_of_the_program_fit(objects: Objects) -> Iterator[str]:
    """Files that arguments name are mounted for each pod, ports they listen on are declared, brokers they name exist."""
    for pod in objects.pods():
        where = f"{pod.owner['kind']} {pod.name}"
        for container in pod.containers:
            for name in pod.names:
                command = objects.command(pod, container, name)
                yield from (f"{where}: {fault}" for fault in _file_faults(objects, pod, container, command))
                for port in re.findall(r"--(?:\w+-)?listen=0\.0\.0\.0:(\d+)", " ".join(command)):
                    if int(port) not in pod.ports().values():
                        yield f"{where} listens on {port}, which it does not declare"
                if ours(container):
                    brokers = objects.environment(pod, container, name).get("LOADHOST_NATS", "")
                    yield from (f"{where}: {fault}" for fault in _broker_faults(objects, brokers))
                    trusted = objects.environment(pod, container, name).get("LOADHOST_TRUSTED_PROXY", "")
                    yield from (f"{where}: LOADHOST_TRUSTED_PROXY: {fault}" for fault in proxy_faults(trusted))
    yield from _waits_for_no_more_than_there_are(objects)


def _file_faults(objects: Objects, pod: Pod, container: Tree, command: list[str]) -> Iterator[str]:
    files = objects.files(pod, container)
    mounts = {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}
    for path in re.findall(r"(?<![\w.:])(/[\w./$()-]+)", " ".join(command)):
        mount = next((mounts[at] for at in mounts if path.startswith(at + "/")), None)
        if mount is None:
            yield f"{path} lies on no volume"
        elif (mount.get("readOnly") or path.endswith((".conf", ".toml", ".nk"))) and path not in files:
            yield f"{path} is in no Secret or ConfigMap that is mounted"


def _broker_faults(objects: Objects, urls: str) -> Iterator[str]:
    found = re.findall(r"nats://([\w-]+)\.([\w-]+):(\d+)", urls)
    names = [name for pod in objects.pods() if pod.name.endswith("nats") for name in pod.names]
    if [pod for pod, _, _ in found] != names:
        yield f"LOADHOST_NATS names {[pod for pod, _, _ in found]} instead of {names}"
    for _, service, port in found:
        there = objects.find("Service", service)
        if there is None or int(port) not in [entry["port"] for entry in there["spec"]["ports"]]:
            yield f"LOADHOST_NATS names {service}:{port}, which is no Service's port"


def proxy_faults(trusted: str) -> Iterator[str]:
    """Whoever lies in such a network says himself who asks, so it is to hold proxies and neither users nor other pods."""
    for text in filter(None, map(str.strip, trusted.split(","))):
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            yield f"{text} is no network"
            continue
        if network.prefixlen < NODE_BITS[network.version]:
            yield f"{text} is wider than the pods of one node, /{NODE_BITS[network.version]}: users or other pods lie in it"
        elif network.num_addresses > 1 and not network.is_private:
            yield f"{text} is of the Internet, where users are"


def _waits_for_no_more_than_there_are(objects: Objects) -> Iterator[str]:
    masters = [(pod, name) for pod in objects.pods() if pod.name == "loadhost-master" for name in pod.names]
    expected = max((int(objects.environment(pod, pod.spec["containers"][0], name).get("LOADHOST_EXPECT_WORKERS", 1))
                    for pod, name in masters), default=1)
    for item in objects.of("HorizontalPodAutoscaler", "ScaledObject"):
        least = item["spec"].get("minReplicas", item["spec"].get("minReplicaCount"))
        if expected > least:
            yield f"runs wait for {expected} workers, of which {least} need be there"
