"""deploy/prometheus over a real fleet; the part for Kubernetes with targets as its discovery tells them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from house import DEPLOY, Fleet, until
from house.monitoring import PROMETHEUS, Prometheus, Watched, address, run_tool

MACHINES = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
CLUSTER = yaml.safe_load((PROMETHEUS / "prometheus-kubernetes.yml").read_text())


def job(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in config["scrape_configs"] if one["job_name"] == name)


@pytest.fixture(scope="module")
def watched(shared_fleet: Fleet) -> Iterator[Watched]:
    watched = Watched(shared_fleet)
    yield watched
    watched.end()


def test_the_shipped_file_is_valid_with_all_that_it_names(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "workers.yml", "loadhost.rules.yml"):
        (tmp_path / name).write_text((PROMETHEUS / name).read_text())
    (tmp_path / "loadhost-token").write_text("lh_x")
    said = run_tool("promtool", "check", "config", "--lint=all", "--lint-fatal", tmp_path / "prometheus.yml")
    assert "1 rule files found" in said and "SUCCESS" in said


def test_the_pace_is_the_documents_and_alerts_go_to_alertmanager() -> None:
    for config in (MACHINES, CLUSTER):
        assert (config["global"]["scrape_interval"], config["global"]["evaluation_interval"]) == ("15s", "15s")
        assert {one["job_name"]: one["scrape_interval"] for one in config["scrape_configs"] if "scrape_interval" in one} == {"loadhost-master": "10s"}
        assert config["rule_files"] == ["loadhost.rules.yml"]
        [[manager]] = [one["static_configs"][0]["targets"] for one in config["alerting"]["alertmanagers"]]
        assert manager.endswith(":9093")


def test_masters_workers_and_machines_are_asked(watched: Watched) -> None:
    wanted = {("loadhost-master", address(one.url)) for one in watched.masters}
    wanted |= {("loadhost-worker", address(one.url)) for one in watched.workers} | {("node", address(watched.machine.url))}

    def up() -> bool:
        told = {(one["labels"]["job"], one["labels"]["instance"]): one for one in watched.prometheus.targets()}
        assert set(told) == wanted and {one["labels"]["fleet"] for one in told.values()} == {"default"}
        return all(one["health"] == "up" for one in told.values())

    until("all are up", up)
    until("one of both masters leads", lambda: watched.prometheus.number("sum by (fleet) (loadhost_leader)") == 1)
    until("workers say their room", lambda: len(watched.prometheus.query('loadhost_capacity_users{job="loadhost-worker"} > 0')) == 2)
    until("the machine is known", lambda: watched.prometheus.number("node_memory_MemTotal_bytes"))


def test_what_they_tell_is_as_prometheus_wants_it(watched: Watched) -> None:
    bearer = {"authorization": f"Bearer {watched.token}"}
    for member in (*watched.masters, *watched.workers):
        answer = member.ask("/metrics", headers=bearer)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        run_tool("promtool", "check", "metrics", stdin=answer.text)


def test_a_worker_that_is_added_to_the_list_is_asked_without_a_reload(watched: Watched) -> None:
    def jobs_up() -> float | None:
        return watched.prometheus.number('sum(up{job="loadhost-worker"})')

    until("both are up", lambda: jobs_up() == 2)
    third = watched.fleet.worker("three")
    watched.workers.append(third)
    watched.list_workers()
    until("all three are up", lambda: jobs_up() == 3)
    third.kill()
    watched.list_workers()
    until("it is no longer asked", lambda: len(watched.prometheus.query('up{job="loadhost-worker"}')) == 2)


def test_masters_are_asked_with_the_token(watched: Watched) -> None:
    token = watched.prometheus.folder / "loadhost-token"
    token.write_text("lh_wrong")
    try:
        refused = 'sum(up{job="loadhost-master"})'
        until("no master answers", lambda: watched.prometheus.number(refused) == 0)
        assert all("401" in one["lastError"] for one in watched.prometheus.targets() if one["labels"]["job"] == "loadhost-master")
    finally:
        token.write_text(watched.token)
    until("both answer again", lambda: watched.prometheus.number('sum(up{job="loadhost-master"})') == 2)


def test_both_files_differ_in_how_targets_are_found_alone() -> None:
    discovery = {"static_configs", "file_sd_configs", "kubernetes_sd_configs", "relabel_configs"}
    for config in (MACHINES, CLUSTER):
        assert all(set(one) & discovery for one in config["scrape_configs"])
    plain = [
        {**config, "scrape_configs": [{key: value for key, value in one.items() if key not in discovery} for one in config["scrape_configs"]]}
        for config in (MACHINES, CLUSTER)
    ]
    assert plain[0] == plain[1]


# From the Prometheus documentation, <kubernetes_sd_config>: of its keys, those that we use.
DISCOVERY = {
    "type": "array", "minItems": 1, "maxItems": 1,
    "items": {
        "type": "object", "required": ["role"], "additionalProperties": False,
        "properties": {
            "role": {"enum": ["endpoints", "endpointslice", "service", "pod", "node", "ingress"]},
            "namespaces": {
                "type": "object", "required": ["names"], "additionalProperties": False,
                "properties": {"names": {"type": "array", "items": {"type": "string"}, "minItems": 1}, "own_namespace": {"type": "boolean"}},
            },
        },
    },
}


def test_discovery_is_asked_as_prometheus_documents_it() -> None:
    import jsonschema

    found = [one["kubernetes_sd_configs"] for one in CLUSTER["scrape_configs"] if "kubernetes_sd_configs" in one]
    assert [one[0]["role"] for one in found] == ["pod", "node"]
    for one in found:
        jsonschema.validate(one, DISCOVERY)


def objects(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "base" / file).read_text()))


def test_masters_in_kubernetes_are_named_as_they_are_deployed() -> None:
    [masters] = [one for one in objects("masters.yaml") if one["kind"] == "StatefulSet"]
    [service] = [one for one in objects("masters.yaml") if one["kind"] == "Service" and one["metadata"]["name"] == masters["spec"]["serviceName"]]
    name, port = masters["metadata"]["name"], service["spec"]["ports"][0]["port"]
    [namespace] = {one["metadata"]["name"] for one in objects("namespace.yaml") if one["kind"] == "Namespace"}
    wanted = [f"{name}-{n}.{service['metadata']['name']}.{namespace}.svc:{port}" for n in range(masters["spec"]["replicas"])]
    [group] = job(CLUSTER, "loadhost-master")["static_configs"]
    assert group["targets"] == wanted
    assert job(CLUSTER, "loadhost-worker")["kubernetes_sd_configs"][0]["namespaces"]["names"] == [namespace]


def meta(name: str) -> str:
    """As discovery writes names of labels and annotations."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def pod(name: str, address: str, ports: dict[str, int], template: dict[str, Any], phase: str = "Running", **annotations: str) -> list[dict[str, Any]]:
    """What role `pod` tells of one: a target for each port, at that port."""
    labels = {f"__meta_kubernetes_pod_label_{meta(key)}": value for key, value in template["metadata"]["labels"].items()}
    all_annotations = {**template["metadata"].get("annotations", {}), **annotations}
    labels |= {f"__meta_kubernetes_pod_annotation_{meta(key)}": value for key, value in all_annotations.items()}
    labels |= {"__meta_kubernetes_namespace": "loadhost", "__meta_kubernetes_pod_name": name, "__meta_kubernetes_pod_phase": phase,
               "__meta_kubernetes_pod_node_name": "node-a"}
    return [{"targets": [f"{address}:{port}"], "labels": {**labels, "__meta_kubernetes_pod_container_port_name": at}} for at, port in ports.items()]


#: The relabelling of the port that is often seen.
LOSES_THE_ADDRESS = {"source_labels": ["__meta_kubernetes_pod_annotation_prometheus_io_port"], "action": "replace", "target_label": "__address__",
                     "regex": "(.+)", "replacement": "${1}:9090"}


@pytest.fixture(scope="module")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The relabelling of the file for Kubernetes, over what discovery would tell of our pods and of others."""
    folder = tmp_path_factory.mktemp("kubernetes")
    [workers] = [one["spec"]["template"] for one in objects("workers.yaml") if one["kind"] == "Deployment"]
    [masters] = [one["spec"]["template"] for one in objects("masters.yaml") if one["kind"] == "StatefulSet"]
    [container] = workers["spec"]["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    pods = [
        *pod("worker-a", "10.1.0.1", ports, workers),
        *pod("worker-b", "[fd00::2]", ports, workers),
        *pod("worker-c", "10.1.0.3", ports, workers, **{"prometheus.io/port": "9191", "prometheus.io/path": "/other"}),
        *pod("ended", "10.1.0.4", ports, workers, phase="Succeeded"),
        *pod("silent", "10.1.0.5", ports, workers, **{"prometheus.io/scrape": "false"}),
        *pod("master-a", "10.1.0.6", {"web": 8089}, masters, **{"prometheus.io/scrape": "true"}),
    ]
    node = {"__meta_kubernetes_node_name": "node-a", "__meta_kubernetes_node_address_InternalIP": "10.2.0.1"}
    (folder / "pods.json").write_text(json.dumps(pods))
    (folder / "nodes.json").write_text(json.dumps([{"targets": ["10.2.0.1:10250"], "labels": node}]))
    jobs = []
    for name, file in (("loadhost-worker", "pods.json"), ("node", "nodes.json")):
        one = {key: value for key, value in job(CLUSTER, name).items() if key != "kubernetes_sd_configs"}
        jobs.append({**one, "file_sd_configs": [{"files": [file]}]})
    jobs.append({"job_name": "often-seen", "file_sd_configs": [{"files": ["pods.json"]}], "relabel_configs": [LOSES_THE_ADDRESS]})
    # Nothing is asked: those addresses are nobody's here.
    config = {"global": {"scrape_interval": "1h", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    prometheus = Prometheus(folder)
    try:
        until("pods are found", lambda: len({one["scrapePool"] for one in prometheus.targets()}) == 3)
        yield prometheus
    finally:
        prometheus.stop()


def asked(prometheus: Prometheus, name: str) -> dict[str, dict[str, str]]:
    """Where each target of a job is asked, and its labels."""
    return {one["scrapeUrl"]: one["labels"] for one in prometheus.targets() if one["scrapePool"] == name}


def test_each_worker_is_asked_once_at_the_port_of_its_annotation(discovered: Prometheus) -> None:
    found = asked(discovered, "loadhost-worker")
    assert set(found) == {"http://10.1.0.1:9090/metrics", "http://[fd00::2]:9090/metrics", "http://10.1.0.3:9191/other"}
    pools = [one for one in discovered.targets() if one["scrapePool"] == "loadhost-worker"]
    assert len(pools) == 3, "a pod with two ports is one target"


def test_workers_have_the_labels_that_rules_and_the_metrics_adapter_look_for(discovered: Prometheus) -> None:
    labels = asked(discovered, "loadhost-worker")["http://10.1.0.1:9090/metrics"]
    assert labels == {"job": "loadhost-worker", "instance": "worker-a", "pod": "worker-a", "namespace": "loadhost", "node": "node-a", "fleet": "default"}


def test_machines_are_asked_at_the_port_of_the_node_exporter(discovered: Prometheus) -> None:
    assert asked(discovered, "node") == {"http://10.2.0.1:9100/metrics": {"job": "node", "instance": "node-a", "fleet": "default"}}


def test_the_relabelling_that_is_often_seen_loses_the_address(discovered: Prometheus) -> None:
    assert "http://9090:9090/metrics" in asked(discovered, "often-seen")
