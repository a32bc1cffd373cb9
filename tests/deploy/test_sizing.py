"""What docs/sizing.md says of Kubernetes is what is shipped."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from house import DEPLOY
from manifests.kustomize import kubectl, with_secrets

PAGE = (DEPLOY.parent / "docs/sizing.md").read_text()
WORKERS = 60


def cores(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def gib(quantity: str) -> float:
    return float(quantity[:-2]) / {"Mi": 1024, "Gi": 1}[quantity[-2:]]


def words(resources: dict[str, str]) -> str:
    count = cores(resources["cpu"])
    return f"{count:g} core{'s' if count != 1 else ''}, {gib(resources['memory']):g} GiB"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict]:
    overlay = with_secrets(tmp_path_factory.mktemp("sizing"), "prod") / "overlays" / "prod"
    rendered = subprocess.run([kubectl(), "kustomize", overlay], capture_output=True, text=True, check=True).stdout
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(rendered)}


def resources(shipped: dict[tuple[str, str], dict], kind: str, name: str) -> dict[str, dict[str, str]]:
    [container] = [one for one in shipped[kind, name]["spec"]["template"]["spec"]["containers"]
                   if one["name"] in (name.removeprefix("loadhost-"), name)]
    return container["resources"]


def test_the_table_says_what_pods_ask_for(shipped: dict[tuple[str, str], dict]) -> None:
    master, worker, nats = (resources(shipped, kind, name) for kind, name in [
        ("StatefulSet", "loadhost-master"), ("Deployment", "loadhost-worker"), ("StatefulSet", "loadhost-nats")])
    [claim] = shipped["StatefulSet", "loadhost-nats"]["spec"]["volumeClaimTemplates"]
    disk = gib(claim["spec"]["resources"]["requests"]["storage"])
    scaler = shipped["HorizontalPodAutoscaler", "loadhost-worker"]["spec"]
    masters = shipped["StatefulSet", "loadhost-master"]["spec"]["replicas"]
    nodes = shipped["StatefulSet", "loadhost-nats"]["spec"]["replicas"]
    for row in [
        f"| master | {words(master['requests'])} | {words(master['limits'])} | {masters} |",
        f"| worker | {words(worker['requests'])} | {words(worker['limits'])} | {scaler['minReplicas']} to {scaler['maxReplicas']},",
        f"| NATS | {words(nats['requests'])}, {disk:g} GiB of disk | {words(nats['limits'])} | {nodes} |",
    ]:
        assert row in PAGE, row
    asked = [(masters, master["requests"]), (WORKERS, worker["requests"]), (nodes, nats["requests"])]
    all_cores = sum(count * cores(one["cpu"]) for count, one in asked)
    memory = sum(count * gib(one["memory"]) for count, one in asked)
    assert f"ask for {all_cores:g} cores and {memory:g} GiB" in PAGE, (all_cores, memory)
