"""The schemas of Kubernetes' own objects, and the shapes of those that others define."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes_validate

from .objects import Objects, Tree

# For `preStop.sleep`, the first version that has it; and the newest known.
VERSIONS = ("1.30", "1.37")

# Keys that are known, by kind; a value is the shape below, a list the shape of each of its items, None anything.
_BEHAVIOUR: Any = {"stabilizationWindowSeconds": None, "selectPolicy": None,
                   "policies": [{"type": None, "value": None, "periodSeconds": None}]}
_SELECTOR: Any = {"matchLabels": None, "matchExpressions": None}
_ENDPOINT: Any = {
    "port": None, "path": None, "interval": None, "scheme": None,
    "authorization": {"type": None, "credentials": {"name": None, "key": None}},
    "relabelings": [{"sourceLabels": None, "targetLabel": None, "replacement": None, "regex": None, "action": None}],
}
_SHAPES: dict[tuple[str, str], Any] = {
    ("keda.sh/v1alpha1", "ScaledObject"): {
        "scaleTargetRef": {"apiVersion": None, "kind": None, "name": None},
        "pollingInterval": None, "cooldownPeriod": None, "minReplicaCount": None, "maxReplicaCount": None,
        "advanced": {"horizontalPodAutoscalerConfig": {
            "name": None, "behavior": {"scaleUp": _BEHAVIOUR, "scaleDown": _BEHAVIOUR}}},
        "triggers": [{"type": None, "metricType": None, "name": None,
                      "metadata": {"value": None, "serverAddress": None, "query": None, "threshold": None}}],
    },
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {
        "selector": _SELECTOR, "endpoints": [_ENDPOINT], "namespaceSelector": None},
    ("monitoring.coreos.com/v1", "PodMonitor"): {
        "selector": _SELECTOR, "podMetricsEndpoints": [_ENDPOINT], "namespaceSelector": None},
}
_NEEDED = {
    "ScaledObject": ("scaleTargetRef", "triggers"),
    "ServiceMonitor": ("selector", "endpoints"),
    "PodMonitor": ("selector", "podMetricsEndpoints"),
}


def schema_faults(objects: Objects) -> Iterator[str]:
    """Unknown keys are faults, and so are objects without a schema."""
    for item in objects:
        where = f"{item['kind']} {item['metadata']['name']}"
        shape = _SHAPES.get((item["apiVersion"], item["kind"]))
        if shape is not None:
            yield from _unlike(item["spec"], shape, f"{where}: spec")
            yield from (f"{where}: spec lacks `{key}`" for key in _NEEDED[item["kind"]] if key not in item["spec"])
            yield from _texts(item, where)
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(str(step) for step in error.path)
                yield f"{where}: {path}: {error.message} (Kubernetes {version})"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{where}: {error.message}"


def _unlike(value: Any, shape: Any, where: str) -> Iterator[str]:
    if shape is None:
        return
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            yield f"{where} is no list of something"
            return
        for index, one in enumerate(value):
            yield from _unlike(one, shape[0], f"{where}[{index}]")
        return
    if not isinstance(value, dict):
        yield f"{where} is no map"
        return
    for key, one in value.items():
        if key not in shape:
            yield f"{where} has the unknown key `{key}`"
        else:
            yield from _unlike(one, shape[key], f"{where}.{key}")


def _texts(item: Tree, where: str) -> Iterator[str]:
    """KEDA reads texts only in the metadata of its triggers."""
    for index, trigger in enumerate(item["spec"].get("triggers", [])):
        for key, value in trigger.get("metadata", {}).items():
            if not isinstance(value, str):
                yield f"{where}: triggers[{index}].metadata.{key} must be a text, not {value!r}"
