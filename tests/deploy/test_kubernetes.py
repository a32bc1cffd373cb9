"""deploy/kubernetes: it renders, fits the schemas, and its parts fit one another; each check is seen to fail."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from house import DEPLOY, tool
from manifests import Objects, faults, render, schema_faults, with_secrets
from manifests.kustomize import make_secrets
from manifests.quantities import quantity
from manifests.settings import proxy_faults

VARIANTS = {"dev": ("dev",), "prod": ("prod",), "prod with KEDA": ("prod", "keda")}


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With secrets, as an operator makes them."""
    return with_secrets(tmp_path_factory.mktemp("kubernetes"), "dev", "prod")


@pytest.fixture(scope="module")
def rendered(kubernetes: Path) -> dict[str, Objects]:
    return {name: render(kubernetes, *words) for name, words in VARIANTS.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_fits_the_schemas_of_kubernetes(rendered: dict[str, Objects], variant: str) -> None:
    assert list(schema_faults(rendered[variant])) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_parts_fit_one_another(rendered: dict[str, Objects], variant: str) -> None:
    assert faults(rendered[variant]) == []


def _autoscaler(objects: Objects) -> Any:
    return objects.get("HorizontalPodAutoscaler", "loadhost-worker")["spec"]


def _container(objects: Objects, pod: str) -> Any:
    return objects.pod(f"loadhost-{pod}").spec["containers"][0]


def _policy(objects: Objects, name: str) -> Any:
    return objects.get("NetworkPolicy", name)["spec"]


def _masters(objects: Objects) -> Any:
    return objects.get("ConfigMap", "loadhost-masters")["data"]


def _argument(old: str, new: str, pod: str = "worker") -> Callable[[Objects], Any]:
    def change(objects: Objects) -> None:
        container = _container(objects, pod)
        container["args"] = [word.replace(old, new) for word in container["args"]]

    return change


def _without(kind: str, name: str) -> Callable[[Objects], Any]:
    return lambda objects: objects.items.remove(objects.get(kind, name))


def _put(tree: Any, key: Any, value: Any) -> None:
    tree[key] = value


# What is broken, how, and what is said of it.
BROKEN: list[tuple[str, Callable[[Objects], Any], str]] = [
    ("service selects nothing", lambda o: _put(o.get("Service", "loadhost-web")["spec"]["selector"], "app.kubernetes.io/component", "mastre"), "Service loadhost-web selects no pod"),
    ("budget selects nothing", lambda o: _put(o.get("PodDisruptionBudget", "loadhost-worker")["spec"]["selector"]["matchLabels"], "app", "x"), "PodDisruptionBudget loadhost-worker selects no pod"),
    ("policy selects nothing", lambda o: _put(_policy(o, "nats")["podSelector"]["matchLabels"], "app", "x"), "NetworkPolicy nats selects no pod"),
    ("policy's peer is nobody", lambda o: _put(_policy(o, "nats")["ingress"][0]["from"][0]["podSelector"]["matchLabels"], "app", "x"), "names a peer that is no pod"),
    ("workload without its pods", lambda o: o.pod("loadhost-worker").labels.pop("app.kubernetes.io/component"), "Deployment loadhost-worker does not select its own pods"),
    ("spread of others", lambda o: _put(o.pod("loadhost-nats").spec["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"], "app", "x"), "spreads over kubernetes.io/hostname"),
    ("workload takes others' pods", lambda o: o.pod("loadhost-worker").owner["spec"]["selector"]["matchLabels"].pop("app.kubernetes.io/component"), "selects the pods of"),
    ("monitor scrapes twice", lambda o: o.get("ServiceMonitor", "loadhost-master")["spec"]["selector"]["matchLabels"].pop("loadhost.io/scrape"), "selects 2 Services"),
    ("autoscaler without target", lambda o: _put(_autoscaler(o)["scaleTargetRef"], "name", "loadhost-workers"), "scales Deployment loadhost-workers, which is not there"),
    ("autoscaler upside down", lambda o: _put(_autoscaler(o), "maxReplicas", 5), "scales from 10 to 5"),
    ("replicas beside the autoscaler", lambda o: _put(o.pod("loadhost-worker").owner["spec"], "replicas", 10), "which each apply would set"),
    ("two autoscalers", lambda o: o.items.append(o.copy().get("HorizontalPodAutoscaler", "loadhost-worker")), "two autoscalers fight"),
    ("ingress to no service", lambda o: _put(o.get("Ingress", "loadhost")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"], "name", "web"), "leads to web:web"),
    ("ingress to no port", lambda o: _put(o.get("Ingress", "loadhost")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"], "name", "http"), "loadhost-web:http"),
    ("certificate of nobody", lambda o: o.get("Ingress", "loadhost")["metadata"]["annotations"].pop("cert-manager.io/cluster-issuer"), "loadhost-web-tls, which nobody makes"),
    ("certificate of another host", lambda o: _put(o.get("Ingress", "loadhost")["spec"]["tls"][0], "hosts", ["a.example"]), "TLS for a.example"),
    ("a stop that is repeated", lambda o: _put(o.get("Ingress", "loadhost-once")["metadata"]["annotations"], "nginx.ingress.kubernetes.io/proxy-next-upstream", "error"), "GET /stop of loadhost.company.com may be sent twice"),
    ("a reset that is repeated", lambda o: o.get("Ingress", "loadhost-once")["spec"]["rules"][0]["http"]["paths"].pop(1), "GET /stats/reset of loadhost.company.com may be sent twice"),
    ("stops of another host", lambda o: _put(o.get("Ingress", "loadhost-once")["spec"]["rules"][0], "host", "loadhost.example.com"), "GET /stop of loadhost.company.com may be sent twice"),
    ("starts that are repeated", lambda o: _put(o.get("Ingress", "loadhost")["metadata"]["annotations"], "nginx.ingress.kubernetes.io/proxy-next-upstream", "error non_idempotent"), "sends each POST of loadhost.company.com again"),
    ("no headless service", _without("Service", "loadhost-nats"), "named by the Service loadhost-nats"),
    ("target port that is not there", lambda o: _put(o.get("Service", "loadhost-web")["spec"]["ports"][0], "targetPort", "http"), "has no port `http`"),
    ("probe of an absent port", lambda o: _put(_container(o, "worker")["readinessProbe"]["httpGet"], "port", 8081), "readinessProbe asks port `8081`"),
    ("annotation of an absent port", lambda o: _put(o.pod("loadhost-worker").annotations, "prometheus.io/port", "9091"), "prometheus.io/port is 9091"),
    ("policy of an absent port", lambda o: _put(_policy(o, "master")["ingress"][0]["ports"][0], "port", "http"), "NetworkPolicy master: StatefulSet loadhost-master has no port `http`"),
    ("policy to an absent port", lambda o: _put(_policy(o, "worker")["egress"][0]["ports"][0], "port", "klient"), "NetworkPolicy worker: StatefulSet loadhost-nats has no port `klient`"),
    ("pod monitor of an absent port", lambda o: _put(o.get("PodMonitor", "loadhost-worker")["spec"]["podMetricsEndpoints"][0], "port", "web"), "PodMonitor loadhost-worker: Deployment loadhost-worker has no port"),
    ("service monitor of an absent port", lambda o: _put(o.get("ServiceMonitor", "loadhost-master")["spec"]["endpoints"][0], "port", "metrics"), "ServiceMonitor loadhost-master: Service loadhost-masters has no port"),
    ("account of nobody", _without("ServiceAccount", "loadhost-nats"), "the ServiceAccount loadhost-nats is not there"),
    ("secret of nobody", _without("Secret", "loadhost-worker"), "the Secret loadhost-worker-"),
    ("settings of nobody", _without("ConfigMap", "loadhost-fleet"), "the ConfigMap loadhost-fleet-"),
    ("no token for the monitor", lambda o: o.get("Secret", "loadhost-metrics")["data"].clear(), "the Secret loadhost-metrics has no key token"),
    ("mount without a volume", lambda o: _put(_container(o, "worker")["volumeMounts"][1], "name", "caches"), "mounts the volume caches"),
    ("claim that nobody mounts", lambda o: _container(o, "nats")["volumeMounts"].pop(1), "nobody mounts the volume data"),
    ("two mounts at one place", lambda o: _put(_container(o, "worker")["volumeMounts"][1], "mountPath", "/tmp"), "/tmp is mounted twice"),
    ("quantity of another world", lambda o: _put(_container(o, "worker")["resources"]["limits"], "memory", "2GB"), "`2GB` is no quantity"),
    ("request above its limit", lambda o: _put(_container(o, "worker")["resources"]["requests"], "cpu", "2"), "asks for more cpu"),
    ("no limit", lambda o: _container(o, "nats")["resources"].pop("limits"), "cpu of nats"),
    ("volume without an end", lambda o: _put(o.pod("loadhost-worker").spec["volumes"][1], "emptyDir", {}), "size of the volume cache"),
    ("root", lambda o: _put(o.pod("loadhost-worker").spec["securityContext"], "runAsUser", 0), "lacks: a user of its own"),
    ("writable root", lambda o: _container(o, "master")["securityContext"].pop("readOnlyRootFilesystem"), "lacks: a read-only root"),
    ("capabilities", lambda o: _container(o, "master")["securityContext"].pop("capabilities"), "lacks: no capabilities"),
    ("token", lambda o: o.pod("loadhost-nats").spec.pop("automountServiceAccountToken"), "lacks: no token"),
    ("no probe", lambda o: _container(o, "worker").pop("livenessProbe"), "lacks: a liveness probe"),
    ("latest", lambda o: _put(_container(o, "nats"), "image", "nats:latest"), "lacks: an image with a version"),
    ("no namespace", _without("Namespace", "loadhost"), "and the namespaces [] are made"),
    ("no label", lambda o: o.get("Service", "loadhost-web")["metadata"].pop("labels"), "lacks the label"),
    ("killed while draining", lambda o: _put(o.pod("loadhost-worker").spec, "terminationGracePeriodSeconds", 20), "killed before it is done"),
    ("no budget", _without("PodDisruptionBudget", "loadhost-nats"), "has 0 PodDisruptionBudgets"),
    ("budget that lets too many go", lambda o: _put(o.get("PodDisruptionBudget", "loadhost-nats")["spec"], "maxUnavailable", 2), "lets 2 go at once"),
    ("no names", _without("NetworkPolicy", "names"), "loadhost-worker to kube-system at 53/UDP is refused"),
    ("no default", _without("NetworkPolicy", "worker"), "loadhost-worker to loadhost-nats at 4222/TCP is refused"),
    ("broker for all", lambda o: _policy(o, "nats")["ingress"][0].pop("from"), "default to loadhost-nats at 4222/TCP is let through"),
    ("the cloud's own address", lambda o: _policy(o, "worker")["egress"][1]["to"][0]["ipBlock"].pop("except"), "169.254.169.254 at 80/TCP is let through"),
    ("unknown setting", lambda o: _put(o.get("ConfigMap", "loadhost-workers")["data"], "LOADHOST_WORKER_MAX_USER", "5"), "LOADHOST_WORKER_MAX_USER is no setting"),
    ("unknown flag", _argument("--id=", "--name="), "`loadhost worker` has no --name"),
    ("listens elsewhere", _argument("0.0.0.0:9090", "0.0.0.0:9091"), "listens on 9091"),
    ("key that is not mounted", _argument("workers.nk", "worker.nk"), "worker.nk is in no Secret"),
    ("cache on no volume", _argument("/var/cache/loadhost", "/cache"), "/cache/compiled lies on no volume"),
    ("a master without a priority", lambda o: _put(o.pod("loadhost-master").owner["spec"], "replicas", 4), "loadhost-master-3.toml is in no Secret or ConfigMap"),
    ("a broker without a configuration", lambda o: o.get("Secret", "loadhost-nats-server")["data"].pop("loadhost-nats-2.conf"), "loadhost-nats-2.conf is in no Secret"),
    ("a broker that nobody names", lambda o: _put(o.pod("loadhost-nats").owner["spec"], "replicas", 5), "LOADHOST_NATS names"),
    ("a broker's other port", lambda o: _put(o.get("ConfigMap", "loadhost-fleet")["data"], "LOADHOST_NATS", "nats://loadhost-nats-0.loadhost-nats:4223"), "loadhost-nats:4223"),
    ("no masters", lambda o: _put(o.pod("loadhost-master").owner["spec"], "replicas", 0), "StatefulSet loadhost-master has no pods"),
    ("no brokers", lambda o: _put(o.pod("loadhost-nats").owner["spec"], "replicas", 0), "StatefulSet loadhost-nats has no pods"),
    ("all pods are believed", lambda o: _put(_masters(o), "LOADHOST_TRUSTED_PROXY", "10.244.3.0/24,10.244.0.0/16"), "10.244.0.0/16 is wider than the pods of one node"),
    ("everybody is believed", lambda o: _put(_masters(o), "LOADHOST_TRUSTED_PROXY", "0.0.0.0/1"), "0.0.0.0/1 is wider than the pods of one node"),
    ("all pods of IPv6 are believed", lambda o: _put(_masters(o), "LOADHOST_TRUSTED_PROXY", "fd00:10:244::/56"), "fd00:10:244::/56 is wider than the pods of one node"),
    ("users are believed", lambda o: _put(_masters(o), "LOADHOST_TRUSTED_PROXY", "8.8.8.0/24"), "8.8.8.0/24 is of the Internet"),
    ("a proxy that is no address", lambda o: _put(_masters(o), "LOADHOST_TRUSTED_PROXY", "ingress-nginx"), "ingress-nginx is no network"),
    ("too many expected", lambda o: _put(_masters(o), "LOADHOST_EXPECT_WORKERS", "60"), "runs wait for 60 workers"),
]  # fmt: skip


# The same of what KEDA is told.
BROKEN_KEDA: list[tuple[str, Callable[[Objects], Any], str]] = [
    ("too few are always there", lambda o: _put(_keda(o), "minReplicaCount", 9), "runs wait for 10 workers, of which 9 need be there"),
    ("upside down", lambda o: _put(_keda(o), "maxReplicaCount", 5), "scales from 10 to 5"),
    ("users of another fleet", lambda o: _put(_keda(o)["triggers"][2]["metadata"], "query", 'sum(a{namespace="perf"})'), "asks for the users of ['perf'], and lies in ['loadhost']"),
]  # fmt: skip


def _keda(objects: Objects) -> Any:
    return objects.get("ScaledObject", "loadhost-worker")["spec"]


def is_told(whole: Objects, change: Callable[[Objects], Any], said: str) -> None:
    """One thing is broken, and the faults say so."""
    objects = whole.copy()
    change(objects)
    found = faults(objects)
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in BROKEN_KEDA], ids=[row[0] for row in BROKEN_KEDA])
def test_what_is_broken_with_keda_is_told(rendered: dict[str, Objects], change: Callable[[Objects], Any], said: str) -> None:
    is_told(rendered["prod with KEDA"], change, said)


@pytest.mark.parametrize("trusted", ["", "192.0.2.0/24", "10.244.3.0/24, 10.244.7.9", "fd00:10:244:7::/64", "198.51.100.7", "8.8.8.8"])
def test_proxies_that_are_few_may_be_trusted(trusted: str) -> None:
    assert list(proxy_faults(trusted)) == []


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_broken_is_told(rendered: dict[str, Objects], change: Callable[[Objects], Any], said: str) -> None:
    is_told(rendered["prod"], change, said)


@pytest.mark.parametrize(("change", "said"), [
    (lambda o: _put(_container(o, "worker"), "imagePullPolice", "Always"), "imagePullPolice"),
    (lambda o: _put(o.pod("loadhost-nats").owner["spec"], "replicas", "three"), "three"),
    (lambda o: _put(o.get("Ingress", "loadhost"), "apiVersion", "networking.k8s.io/v1beta1"), "Couldn't find schema"),
    (lambda o: _put(o.get("PodMonitor", "loadhost-worker")["spec"]["podMetricsEndpoints"][0], "intervall", "1s"), "unknown key `intervall`"),
    (lambda o: o.get("ServiceMonitor", "loadhost-master")["spec"].pop("endpoints"), "lacks `endpoints`"),
])  # fmt: skip
def test_what_no_schema_knows_is_told(rendered: dict[str, Objects], change: Callable[[Objects], Any], said: str) -> None:
    objects = rendered["prod"].copy()
    change(objects)
    found = list(schema_faults(objects))
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(("text", "means"), [
    ("500m", 0.5), ("2", 2), ("1.5Gi", 1.5 * 2**30), ("20G", 20e9), ("1e3", 1000), (".5", 0.5), ("10Ki", 10240),
    ("2GB", None), ("1 Gi", None), ("", None), ("Gi", None), ("1,5", None), ("5mi", None), ("none", None),
])  # fmt: skip
def test_quantities(text: str, means: float | None) -> None:
    if means is None:
        with pytest.raises(ValueError, match="is no quantity"):
            quantity(text)
    else:
        assert quantity(text) == pytest.approx(means)


def test_the_autoscalers_do_as_the_document_says(rendered: dict[str, Objects]) -> None:
    spec = _autoscaler(rendered["prod"])
    assert (spec["minReplicas"], spec["maxReplicas"]) == (10, 100)
    cpu, memory, users = spec["metrics"]
    assert cpu["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    assert memory["resource"] == {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}}
    assert users["pods"] == {"metric": {"name": "loadhost_users_per_worker"},
                             "target": {"type": "AverageValue", "averageValue": "500"}}
    assert spec["behavior"] == {
        "scaleUp": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]},
        "scaleDown": {"stabilizationWindowSeconds": 300,
                      "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]},
    }
    keda = rendered["prod with KEDA"]
    assert not keda.of("HorizontalPodAutoscaler")
    scaled = keda.get("ScaledObject", "loadhost-worker")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (10, 100)
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == spec["behavior"]
    values = [trigger["metadata"].get("value", trigger["metadata"].get("threshold")) for trigger in scaled["triggers"]]
    assert values == ["70", "80", "500"]


def test_workers_have_the_documents_resources_probes_and_annotations(rendered: dict[str, Objects]) -> None:
    objects = rendered["prod"]
    worker, pod = _container(objects, "worker"), objects.pod("loadhost-worker")
    assert {kind: {name: worker["resources"][kind][name] for name in ("cpu", "memory")} for kind in ("requests", "limits")} \
        == {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "2Gi"}}
    assert pod.ports() == {"metrics": 9090, "health": 8080}
    assert pod.annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "/metrics"}
    timing = {kind: (worker[kind]["httpGet"]["path"], worker[kind]["initialDelaySeconds"], worker[kind]["periodSeconds"])
              for kind in ("livenessProbe", "readinessProbe")}
    assert timing == {"livenessProbe": ("/health", 30, 10), "readinessProbe": ("/ready", 5, 5)}
    assert f"--id={pod.names[0]}" in objects.command(pod, worker, pod.names[0])


def test_masters_and_brokers_have_the_documents_resources_and_storage(rendered: dict[str, Objects]) -> None:
    objects = rendered["prod"]
    for kind in ("requests", "limits"):
        told = _container(objects, "master")["resources"][kind]
        assert (quantity(told["cpu"]), quantity(told["memory"])) == (2, 4 * 2**30)
    # Masters keep what they know in the broker; what else they write lies on their node, as that of workers does.
    stored = [claim["spec"]["resources"]["requests"]["storage"] for claim in objects.pod("loadhost-nats").owner["spec"]["volumeClaimTemplates"]]
    written = [_container(objects, pod)["resources"]["limits"]["ephemeral-storage"] for pod in ("master", "worker")]
    assert (stored, written) == (["20Gi"], ["20Gi", "10Gi"])
    assert [len(objects.pod(f"loadhost-{pod}").names) for pod in ("nats", "master")] == [3, 3]


def test_masters_are_told_whom_to_believe_who_asks_and_nobody_is_as_shipped(rendered: dict[str, Objects]) -> None:
    for objects in rendered.values():
        [pod] = [pod for pod in objects.pods() if pod.name == "loadhost-master"]
        environment = objects.environment(pod, pod.containers[0], pod.names[0])
        # Of RFC 5737: who is trusted says himself who asks, so that is for the operator to give.
        assert ipaddress.ip_network(environment["LOADHOST_TRUSTED_PROXY"]).subnet_of(ipaddress.ip_network("192.0.2.0/24"))


def test_each_master_has_the_priority_of_its_number(rendered: dict[str, Objects]) -> None:
    objects = rendered["prod"]
    pod = objects.pod("loadhost-master")
    container = pod.spec["containers"][0]
    files = objects.files(pod, container)
    config = [re.search(r"--config=(\S+)", " ".join(objects.command(pod, container, name))) for name in pod.names]
    assert [re.search(r"^priority = (\d+)$", files[found[1]], re.M)[1] for found in config if found] == ["100", "90", "80"]


def test_nats_server_takes_the_configurations_of_the_secret(rendered: dict[str, Objects], tmp_path: Path) -> None:
    objects = rendered["prod"]
    pod = objects.pod("loadhost-nats")
    files = objects.files(pod, pod.spec["containers"][0])
    routes = {}
    for name in pod.names:
        text = files[f"/etc/nats/{name}.conf"]
        (tmp_path / f"{name}.conf").write_text(text)
        done = subprocess.run([tool("nats-server"), "-t", "-c", tmp_path / f"{name}.conf"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f'server_name: "{name}"' in text and 'store_dir: "/data"' in text
        for key, port in (("listen", 4222), ("http", 8222)):
            assert f'{key}: "0.0.0.0:{port}"' in text
        routes[name] = sorted(re.findall(r"@([\w-]+)\.loadhost-nats:6222", text))
    assert routes == {name: [other for other in pod.names if other != name] for name in pod.names}


def test_secrets_that_are_there_are_kept(kubernetes: Path) -> None:
    folder = kubernetes / "overlays" / "prod" / "secrets"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert "kubectl apply -k overlays/prod" in make_secrets(kubernetes, "prod")
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert {oct(path.stat().st_mode & 0o077) for path in folder.glob("*.nk")} == {"0o0"}
    assert not list((DEPLOY / "kubernetes" / "overlays").glob("*/secrets/*.nk")), "secrets lie in the checkout"


def test_the_metrics_adapter_asks_what_prometheus_understands(tmp_path: Path) -> None:
    values = yaml.safe_load((DEPLOY / "kubernetes" / "metrics-adapter" / "values.yaml").read_text())
    [rule] = values["rules"]["custom"]
    query = rule["metricsQuery"]
    for placeholder, text in (("<<.Series>>", "loadhost_users_per_worker"), ("<<.GroupBy>>", "pod"),
                              ("<<.LabelMatchers>>", 'namespace="loadhost",pod=~"loadhost-worker-1|loadhost-worker-2"')):
        assert placeholder in query
        query = query.replace(placeholder, text)
    assert "<<" not in query
    assert rule["resources"]["overrides"].keys() == {"namespace", "pod"}
    assert re.sub(rule["name"]["matches"], rule["name"]["as"].replace("$1", r"\1"), "loadhost_users_per_worker") \
        == "loadhost_users_per_worker"
    rules = {"groups": [{"name": "g", "rules": [{"record": "a:b", "expr": text} for text in (query, rule["seriesQuery"])]}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    done = subprocess.run([tool("promtool"), "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
