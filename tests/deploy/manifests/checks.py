"""What a schema does not see: names that lead nowhere, ports that nobody has, rights that are too wide.

Each check yields sentences about what is wrong; `faults` asks them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .network import Peer, allowed
from .objects import Objects, Pod, Tree, matches
from .quantities import quantity
from .settings import settings_are_known, words_of_the_program_fit

# Seconds: for others to take over a worker's share, and for its last intervals (host/cli/src/commands/worker.rs).
DRAIN = 20
# nats-server's lame duck: its duration and its grace.
LAME_DUCK = 130
# Of Locust's addresses.
CHANGES_BY_GET = ("/stop", "/stats/reset")


def _name(item: Tree) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def _annotations(item: Tree) -> dict[str, str]:
    return item["metadata"].get("annotations", {})


def selectors_select(objects: Objects) -> Iterator[str]:
    """Everything that picks pods, Services or workloads picks some."""
    for item in objects.of("Service", "PodDisruptionBudget", "PodMonitor", "NetworkPolicy"):
        spec = item["spec"]
        selector = spec["podSelector"] if item["kind"] == "NetworkPolicy" else spec["selector"]
        if not objects.selected(selector):
            yield f"{_name(item)} selects no pod"
    for item in objects.of("ServiceMonitor"):
        found = [s for s in objects.of("Service") if matches(item["spec"]["selector"], s["metadata"].get("labels", {}))]
        if len(found) != 1:
            yield f"{_name(item)} selects {len(found)} Services instead of one"
    for pod in objects.pods():
        if not pod.names:
            yield f"{_name(pod.owner)} has no pods: its `replicas` are 0"
        if not matches(pod.owner["spec"]["selector"], pod.labels):
            yield f"{_name(pod.owner)} does not select its own pods"
        for other in objects.pods():
            if other.name != pod.name and matches(pod.owner["spec"]["selector"], other.labels):
                yield f"{_name(pod.owner)} selects the pods of {_name(other.owner)} too"
        for spread in pod.spec.get("topologySpreadConstraints", []):
            if not matches(spread["labelSelector"], pod.labels):
                yield f"{_name(pod.owner)} spreads over {spread['topologyKey']} what are not its own pods"
    for policy in objects.of("NetworkPolicy"):
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                if "podSelector" in peer and "namespaceSelector" not in peer and not objects.selected(peer["podSelector"]):
                    yield f"{_name(policy)} names a peer that is no pod here: {peer['podSelector']}"


def targets_exist(objects: Objects) -> Iterator[str]:
    """What autoscalers scale, Ingresses lead to and StatefulSets are named by."""
    for item in objects.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = item["spec"]["scaleTargetRef"]
        found = objects.find(target["kind"], target["name"])
        if found is None or found["apiVersion"] != target["apiVersion"]:
            yield f"{_name(item)} scales {target['kind']} {target['name']}, which is not there"
        elif "replicas" in found["spec"]:
            yield f"{_name(found)} has `replicas`, which each apply would set against {_name(item)}"
        least, most = (item["spec"].get(key) for key in
                       (("minReplicas", "maxReplicas") if item["kind"] != "ScaledObject"
                        else ("minReplicaCount", "maxReplicaCount")))
        if not 0 < least <= most:
            yield f"{_name(item)} scales from {least} to {most}"
    targets = [item["spec"]["scaleTargetRef"]["name"] for item in objects.of("HorizontalPodAutoscaler", "ScaledObject")]
    if len(targets) != len(set(targets)):
        yield "two autoscalers fight for one workload"
    issued = {tls["secretName"] for item in objects.of("Ingress") for tls in item["spec"].get("tls", [])
              if "cert-manager.io/cluster-issuer" in _annotations(item)}
    for item in objects.of("Ingress"):
        for path in [path for rule in item["spec"]["rules"] for path in rule["http"]["paths"]]:
            backend = path["backend"]["service"]
            service = objects.find("Service", backend["name"])
            ports = [entry for entry in service["spec"]["ports"]] if service else []
            wanted = backend["port"].get("name", backend["port"].get("number"))
            if not any(wanted in (entry.get("name"), entry["port"]) for entry in ports):
                yield f"{_name(item)} leads to {backend['name']}:{wanted}, which is no Service's port"
        hosts = {rule["host"] for rule in item["spec"]["rules"]}
        for tls in item["spec"].get("tls", []):
            yield from (f"{_name(item)} has TLS for {host}, which it does not serve" for host in set(tls["hosts"]) - hosts)
            if tls["secretName"] not in issued and objects.data("Secret", tls["secretName"]) is None:
                yield f"{_name(item)} takes its certificate from the Secret {tls['secretName']}, which nobody makes"
    for item in objects.of("StatefulSet"):
        service = objects.find("Service", item["spec"]["serviceName"])
        if service is None or service["spec"].get("clusterIP") != "None":
            yield f"{_name(item)} is named by the Service {item['spec']['serviceName']}, which is no headless one"


def changes_are_not_repeated(objects: Objects) -> Iterator[str]:
    """A master may die over a request; whether it was done nobody knows then, and so what changes something is not sent again."""
    again = "nginx.ingress.kubernetes.io/proxy-next-upstream"
    served = [(rule["host"], path["path"], path["pathType"], _annotations(item).get(again, "error timeout"), _name(item))
              for item in objects.of("Ingress") for rule in item["spec"]["rules"] for path in rule["http"]["paths"]]
    for host, _, _, when, name in served:
        if "non_idempotent" in when:
            yield f"{name} sends each POST of {host} again"
    for host in sorted({host for host, *_ in served}):
        for path in CHANGES_BY_GET:
            if (host, path, "Exact", "off") not in [one[:4] for one in served]:
                yield f"GET {path} of {host} may be sent twice, and changes something"


def ports_exist(objects: Objects) -> Iterator[str]:
    """Of Services, probes, policies, monitors and annotations."""
    for service in objects.of("Service"):
        for entry in service["spec"]["ports"]:
            for pod in objects.selected(service["spec"]["selector"]):
                if pod.port(entry.get("targetPort", entry["port"])) is None:
                    yield f"{_name(service)}: {_name(pod.owner)} has no port `{entry.get('targetPort')}`"
    for pod in objects.pods():
        for container in pod.containers:
            own = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                port = container.get(kind, {}).get("httpGet", {}).get("port")
                if port is not None and port not in own and port not in own.values():
                    yield f"{_name(pod.owner)}: {kind} asks port `{port}`, which its container does not have"
        annotated = pod.annotations.get("prometheus.io/port")
        if annotated and int(annotated) not in pod.ports().values():
            yield f"{_name(pod.owner)}: prometheus.io/port is {annotated}, which it does not have"
    for policy in objects.of("NetworkPolicy"):
        own_pods = objects.selected(policy["spec"]["podSelector"])
        for rule in policy["spec"].get("ingress", []):
            yield from _named_ports(policy, rule, own_pods)
        for rule in policy["spec"].get("egress", []):
            for peer in rule.get("to", []):
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield from _named_ports(policy, rule, objects.selected(peer["podSelector"]))
    for item in objects.of("PodMonitor"):
        for endpoint in item["spec"]["podMetricsEndpoints"]:
            for pod in objects.selected(item["spec"]["selector"]):
                if endpoint["port"] not in pod.ports():
                    yield f"{_name(item)}: {_name(pod.owner)} has no port `{endpoint['port']}`"
    for item in objects.of("ServiceMonitor"):
        for service in objects.of("Service"):
            if matches(item["spec"]["selector"], service["metadata"].get("labels", {})):
                names = [entry.get("name") for entry in service["spec"]["ports"]]
                yield from (f"{_name(item)}: {_name(service)} has no port `{endpoint['port']}`"
                            for endpoint in item["spec"]["endpoints"] if endpoint["port"] not in names)


def _named_ports(policy: Tree, rule: Tree, pods: list[Pod]) -> Iterator[str]:
    for entry in rule.get("ports", []):
        for pod in pods:
            if "port" in entry and pod.port(entry["port"]) is None:
                yield f"{_name(policy)}: {_name(pod.owner)} has no port `{entry['port']}`"


def references_exist(objects: Objects) -> Iterator[str]:
    """ConfigMaps, Secrets and their keys, ServiceAccounts, volumes and what mounts them."""
    for pod in objects.pods():
        where = _name(pod.owner)
        account = pod.spec.get("serviceAccountName")
        if account is None or objects.find("ServiceAccount", account) is None:
            yield f"{where}: the ServiceAccount {account} is not there"
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
        claims = [claim["metadata"]["name"] for claim in pod.owner["spec"].get("volumeClaimTemplates", [])]
        for name, volume in volumes.items():
            yield from (f"{where}: volume {name}: {fault}" for fault in _volume_faults(objects, volume))
        mounted = [mount for container in pod.containers for mount in container.get("volumeMounts", [])]
        yield from (f"{where}: {mount['mountPath']} mounts the volume {mount['name']}, which is not there"
                    for mount in mounted if mount["name"] not in [*volumes, *claims])
        names = {mount["name"] for mount in mounted}
        yield from (f"{where}: nobody mounts the volume {name}" for name in [*volumes, *claims] if name not in names)
        for container in pod.containers:
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            yield from (f"{where}: {path} is mounted twice" for path in set(paths) if paths.count(path) > 1)
            yield from (f"{where}: {fault}" for fault in _environment_faults(objects, container))
    for item in objects.of("ServiceMonitor"):
        for endpoint in item["spec"]["endpoints"]:
            given = endpoint.get("authorization", {}).get("credentials")
            if given and given["key"] not in (objects.data("Secret", given["name"]) or {}):
                yield f"{_name(item)}: the Secret {given['name']} has no key {given['key']}"


def _volume_faults(objects: Objects, volume: Tree) -> Iterator[str]:
    for kind, key, name in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
        if key not in volume:
            continue
        data = objects.data(kind, volume[key][name])
        if data is None:
            yield f"the {kind} {volume[key][name]} is not there"
            continue
        yield from (f"the {kind} {volume[key][name]} has no key {item['key']}"
                    for item in volume[key].get("items", []) if item["key"] not in data)
    claim = volume.get("persistentVolumeClaim", {}).get("claimName")
    if claim and objects.find("PersistentVolumeClaim", claim) is None:
        yield f"the PersistentVolumeClaim {claim} is not there"


def _environment_faults(objects: Objects, container: Tree) -> Iterator[str]:
    for source in container.get("envFrom", []):
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in source and objects.data(kind, source[key]["name"]) is None:
                yield f"the {kind} {source[key]['name']} is not there"
    for variable in container.get("env", []):
        for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            given = variable.get("valueFrom", {}).get(key)
            if given and given["key"] not in (objects.data(kind, given["name"]) or {}):
                yield f"the {kind} {given['name']} has no key {given['key']}"


def quantities_make_sense(objects: Objects) -> Iterator[str]:
    """They parse; a request is no more than its limit; what may be filled has an end."""
    for pod in objects.pods():
        where = _name(pod.owner)
        for container in pod.containers:
            resources = container.get("resources", {})
            for name in ("cpu", "memory"):
                try:
                    request, limit = (quantity(resources[key][name]) for key in ("requests", "limits"))
                except (KeyError, ValueError) as error:
                    yield f"{where}: {name} of {container['name']}: {error}"
                    continue
                if request > limit:
                    yield f"{where}: {container['name']} asks for more {name} than it may use"
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume:
                try:
                    quantity(volume["emptyDir"].get("sizeLimit", "none"))
                except ValueError as error:
                    yield f"{where}: size of the volume {volume['name']}: {error}"
        for claim in pod.owner["spec"].get("volumeClaimTemplates", []):
            try:
                quantity(claim["spec"]["resources"]["requests"]["storage"])
            except ValueError as error:
                yield f"{where}: storage of {claim['metadata']['name']}: {error}"


def containers_are_confined(objects: Objects) -> Iterator[str]:
    """Nobody is root, writes into the image, or asks the API server."""
    for pod in objects.pods():
        where = _name(pod.owner)
        security = pod.spec.get("securityContext", {})
        wanted = {
            "runAsNonRoot": security.get("runAsNonRoot") is True,
            "a user of its own": security.get("runAsUser", 0) >= 10_000,
            "seccomp RuntimeDefault": security.get("seccompProfile", {}).get("type") == "RuntimeDefault",
            "no token": pod.spec.get("automountServiceAccountToken") is False,
            "no links of Services in its environment": pod.spec.get("enableServiceLinks") is False,
        }
        for container in pod.containers:
            own = container.get("securityContext", {})
            wanted |= {
                "no privilege escalation": own.get("allowPrivilegeEscalation") is False,
                "a read-only root": own.get("readOnlyRootFilesystem") is True,
                "no capabilities": own.get("capabilities", {}).get("drop") == ["ALL"],
                "a liveness probe": "livenessProbe" in container,
                "a readiness probe": "readinessProbe" in container,
                "an image with a version": re.search(r":[0-9][^:/]*$", container["image"]) is not None,
            }
        yield from (f"{where} lacks: {what}" for what, there in wanted.items() if not there)


def names_agree(objects: Objects) -> Iterator[str]:
    """One namespace, which is made here; the common labels on everything; no two objects of one name."""
    namespaces = {item["metadata"].get("namespace") for item in objects if item["kind"] != "Namespace"}
    made = [item["metadata"]["name"] for item in objects.of("Namespace")]
    if [*namespaces] != made:
        yield f"objects lie in {sorted(map(str, namespaces))}, and the namespaces {made} are made"
    for item in objects.of("ScaledObject"):
        for trigger in item["spec"]["triggers"]:
            asked = set(re.findall(r'namespace="([^"]*)"', trigger["metadata"].get("query", "")))
            if not asked <= namespaces:
                yield f"{_name(item)} asks for the users of {sorted(asked)}, and lies in {sorted(map(str, namespaces))}"
    seen = [_name(item) for item in objects]
    yield from (f"there are two of {name}" for name in {name for name in seen if seen.count(name) > 1})
    for item in objects:
        if item["kind"] == "Secret":
            continue
        labels = item["metadata"].get("labels", {})
        missing = {"app.kubernetes.io/name", "app.kubernetes.io/part-of"} - labels.keys()
        yield from (f"{_name(item)} lacks the label {label}" for label in sorted(missing))


def stopping_has_time(objects: Objects) -> Iterator[str]:
    """The kill comes after the drain; a budget lets somebody go, and leaves a majority."""
    for pod in objects.pods():
        needs = LAME_DUCK if "nats" in pod.name else DRAIN
        for container in pod.containers:
            needs += container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pod.spec.get("terminationGracePeriodSeconds", 30) <= needs:
            yield f"{_name(pod.owner)} is killed before it is done: it needs {needs} s"
        budgets = [b for b in objects.of("PodDisruptionBudget") if matches(b["spec"]["selector"], pod.labels)]
        if len(budgets) != 1:
            yield f"{_name(pod.owner)} has {len(budgets)} PodDisruptionBudgets instead of one"
        for budget in budgets:
            most = budget["spec"].get("maxUnavailable")
            if pod.owner["kind"] == "StatefulSet" and most != 1:
                yield f"{_name(budget)} lets {most} go at once, of three that need two"


def network_lets_through_what_is_needed(objects: Objects) -> Iterator[str]:
    """The flows of docs/operations.md, and none that nobody needs."""
    pods = {kind: Peer(pod=objects.pod(f"loadhost-{kind}")) for kind in ("master", "worker", "nats")}
    outside = {name: Peer(namespace=name) for name in ("ingress-nginx", "monitoring", "default")}
    names = Peer(namespace="kube-system", labels={"k8s-app": "kube-dns"})
    world, cloud = Peer(address="203.0.113.7"), Peer(address="169.254.169.254")
    for source, target, port, protocol, wanted in [
        (pods["master"], pods["nats"], 4222, "TCP", True), (pods["worker"], pods["nats"], 4222, "TCP", True),
        (pods["nats"], pods["nats"], 6222, "TCP", True), (outside["ingress-nginx"], pods["master"], 8089, "TCP", True),
        (outside["monitoring"], pods["master"], 8089, "TCP", True),
        (outside["monitoring"], pods["worker"], 9090, "TCP", True), (pods["worker"], world, 443, "TCP", True),
        (pods["worker"], names, 53, "UDP", True), (pods["master"], names, 53, "UDP", True),
        (pods["nats"], names, 53, "UDP", True),
        (pods["worker"], cloud, 80, "TCP", False), (pods["worker"], pods["nats"], 6222, "TCP", False),
        (pods["worker"], pods["nats"], 8222, "TCP", False), (pods["worker"], pods["master"], 8089, "TCP", False),
        (pods["worker"], pods["worker"], 9090, "TCP", False), (pods["master"], world, 443, "TCP", False),
        (pods["nats"], world, 443, "TCP", False), (outside["default"], pods["master"], 8089, "TCP", False),
        (outside["default"], pods["nats"], 4222, "TCP", False), (world, pods["nats"], 4222, "TCP", False),
        (outside["monitoring"], pods["nats"], 4222, "TCP", False),
    ]:
        if allowed(objects, source, target, port, protocol) is not wanted:
            way = f"{_peer(source)} to {_peer(target)} at {port}/{protocol}"
            yield f"{way} is {'refused' if wanted else 'let through'}"


def _peer(peer: Peer) -> str:
    return peer.pod.name if peer.pod else peer.namespace or str(peer.address)


CHECKS: list[Callable[[Objects], Iterator[str]]] = [
    selectors_select, targets_exist, changes_are_not_repeated, ports_exist, references_exist, quantities_make_sense, containers_are_confined,
    names_agree, stopping_has_time, network_lets_through_what_is_needed, settings_are_known, words_of_the_program_fit,
]


def faults(objects: Objects) -> list[str]:
    """Of all checks."""
    return [fault for check in CHECKS for fault in check(objects)]
