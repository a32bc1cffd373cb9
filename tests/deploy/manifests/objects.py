"""A list of Kubernetes objects, and the questions that checks ask it."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Tree = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass
class Pod:
    """What a workload makes: `names` are those of its pods, as far as they are known before."""

    owner: Tree
    spec: Tree
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def name(self) -> str:
        return self.owner["metadata"]["name"]

    @property
    def names(self) -> list[str]:
        if self.owner["kind"] == "StatefulSet":
            return [f"{self.name}-{n}" for n in range(self.owner["spec"].get("replicas", 1))]
        return [f"{self.name}-7d9f8b6c5d-x2x4z"]

    @property
    def containers(self) -> list[Tree]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def ports(self) -> dict[str, int]:
        """By name."""
        return {port["name"]: port["containerPort"] for c in self.containers for port in c.get("ports", [])}

    def port(self, port: int | str) -> int | None:
        """The number of a port that it has, by name or number."""
        ports = self.ports()
        return ports.get(port) if isinstance(port, str) else port if port in ports.values() else None


class Objects:
    """All that would be applied at once."""

    def __init__(self, items: list[Tree]):
        self.items = items

    def __iter__(self) -> Iterator[Tree]:
        return iter(self.items)

    def copy(self) -> Objects:
        return Objects(copy.deepcopy(self.items))

    def of(self, *kinds: str) -> list[Tree]:
        return [item for item in self.items if item["kind"] in kinds]

    def get(self, kind: str, name: str) -> Tree:
        found = self.find(kind, name)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def find(self, kind: str, name: str) -> Tree | None:
        """Also by the name before a generator's digest."""
        for item in self.of(kind):
            own = item["metadata"]["name"]
            if own == name or kind in ("ConfigMap", "Secret") and own.rpartition("-")[0] == name:
                return item
        return None

    def pods(self) -> list[Pod]:
        pods = []
        for owner in self.of(*WORKLOADS):
            template = owner["spec"]["template"]
            meta = template["metadata"]
            pods.append(Pod(owner, template["spec"], meta.get("labels", {}), meta.get("annotations", {})))
        return pods

    def pod(self, name: str) -> Pod:
        return next(pod for pod in self.pods() if pod.name == name)

    def selected(self, selector: Tree) -> list[Pod]:
        """By a selector of labels, or by Service's plain map of them."""
        return [pod for pod in self.pods() if matches(selector, pod.labels)]

    def data(self, kind: str, name: str) -> dict[str, str] | None:
        """Of exactly this ConfigMap or Secret, decoded."""
        for item in self.of(kind):
            if item["metadata"]["name"] == name:
                if kind == "Secret":
                    raw = {key: base64.b64decode(text).decode() for key, text in item.get("data", {}).items()}
                    return {**raw, **item.get("stringData", {})}
                return dict(item.get("data", {}))
        return None

    def environment(self, pod: Pod, container: Tree, name: str) -> dict[str, str]:
        """What the container's process of the pod of this name sees, as Kubernetes resolves it."""
        env: dict[str, str] = {}
        for source in container.get("envFrom", []):
            kind = "ConfigMap" if "configMapRef" in source else "Secret"
            reference = source["configMapRef" if kind == "ConfigMap" else "secretRef"]
            env |= self.data(kind, reference["name"]) or {}
        for variable in container.get("env", []):
            env[variable["name"]] = expanded(self._value(pod, variable, name), env)
        return env

    def _value(self, pod: Pod, variable: Tree, name: str) -> str:
        if "value" in variable:
            return variable["value"]
        source = variable["valueFrom"]
        if "fieldRef" in source:
            fields = {"metadata.name": name, "metadata.namespace": pod.owner["metadata"].get("namespace", "default")}
            return fields[source["fieldRef"]["fieldPath"]]
        kind, reference = (("ConfigMap", source["configMapKeyRef"]) if "configMapKeyRef" in source
                           else ("Secret", source["secretKeyRef"]))
        return (self.data(kind, reference["name"]) or {})[reference["key"]]

    def command(self, pod: Pod, container: Tree, name: str) -> list[str]:
        """Command and arguments of the pod of this name."""
        env = self.environment(pod, container, name)
        return [expanded(word, env) for word in [*container.get("command", []), *container.get("args", [])]]

    def files(self, pod: Pod, container: Tree) -> dict[str, str]:
        """What Secrets and ConfigMaps put where: contents by path."""
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
        found = {}
        for mount in container.get("volumeMounts", []):
            volume = volumes.get(mount["name"], {})
            data: dict[str, str] = {}
            if "secret" in volume:
                data = self.data("Secret", volume["secret"]["secretName"]) or {}
            elif "configMap" in volume:
                data = self.data("ConfigMap", volume["configMap"]["name"]) or {}
            found |= {f"{mount['mountPath']}/{key}": text for key, text in data.items()}
        return found


def expanded(text: str, env: dict[str, str]) -> str:
    """`$(NAME)` as Kubernetes puts it in: an unknown name stays as it is."""
    for name, value in env.items():
        text = text.replace(f"$({name})", value)
    return text


def matches(selector: Tree, labels: dict[str, str]) -> bool:
    """Service's map of labels, or a selector with matchLabels and matchExpressions."""
    if not selector.keys() & {"matchLabels", "matchExpressions"}:
        return all(labels.get(key) == value for key, value in selector.items())
    if not matches(selector.get("matchLabels", {}), labels):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions", []))


def _holds(expression: Tree, labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    return {
        "Exists": value is not None,
        "DoesNotExist": value is None,
        "In": value in expression.get("values", []),
        "NotIn": value not in expression.get("values", []),
    }[expression["operator"]]
