"""What docs/sizing.md says of Kubernetes is what is shipped."""

from __future__ import annotations

import pytest
from house import DEPLOY
from manifests import Objects, render, with_secrets
from manifests.quantities import quantity

PAGE = (DEPLOY.parent / "docs/sizing.md").read_text()
WORKERS = 60


def gib(text: str) -> float:
    return quantity(text) / 2**30


def words(resources: dict[str, str]) -> str:
    count = quantity(resources["cpu"])
    return f"{count:g} core{'s' if count != 1 else ''}, {gib(resources['memory']):g} GiB"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    return render(with_secrets(tmp_path_factory.mktemp("sizing"), "prod"), "prod")


def resources(shipped: Objects, name: str) -> dict[str, dict[str, str]]:
    [container] = [one for one in shipped.pod(name).containers if one["name"] in (name.removeprefix("loadhost-"), name)]
    return container["resources"]


def test_the_table_says_what_pods_ask_for(shipped: Objects) -> None:
    master, worker, nats = (resources(shipped, f"loadhost-{name}") for name in ("master", "worker", "nats"))
    [claim] = shipped.get("StatefulSet", "loadhost-nats")["spec"]["volumeClaimTemplates"]
    disk = gib(claim["spec"]["resources"]["requests"]["storage"])
    scaler = shipped.get("HorizontalPodAutoscaler", "loadhost-worker")["spec"]
    masters = shipped.get("StatefulSet", "loadhost-master")["spec"]["replicas"]
    nodes = shipped.get("StatefulSet", "loadhost-nats")["spec"]["replicas"]
    for row in [
        f"| master | {words(master['requests'])} | {words(master['limits'])} | {masters} |",
        f"| worker | {words(worker['requests'])} | {words(worker['limits'])} | {scaler['minReplicas']} to {scaler['maxReplicas']},",
        f"| NATS | {words(nats['requests'])}, {disk:g} GiB of disk | {words(nats['limits'])} | {nodes} |",
    ]:
        assert row in PAGE, row
    asked = [(masters, master["requests"]), (WORKERS, worker["requests"]), (nodes, nats["requests"])]
    all_cores = sum(count * quantity(one["cpu"]) for count, one in asked)
    memory = sum(count * gib(one["memory"]) for count, one in asked)
    assert f"ask for {all_cores:g} cores and {memory:g} GiB" in PAGE, (all_cores, memory)
