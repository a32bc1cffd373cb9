"""A compose file, read as Compose reads it, and what can be wrong with it though it fits the schema."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import yaml
from house import loadhost

from .objects import Tree
from .settings import known_flags, known_settings, ours

SCHEMA = Path(__file__).parents[1] / "schemas" / "compose-spec.json"
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:?[-?])([^}]*))?\}")


def read(path: Path) -> Tree:
    """With the variables of `.env` beside it put in."""
    lines = (path.parent / ".env").read_text().splitlines() if (path.parent / ".env").exists() else []
    env = dict(line.split("=", 1) for line in lines if line)
    return yaml.safe_load(_VARIABLE.sub(lambda found: _value(found, env), path.read_text()))


def _value(found: re.Match[str], env: dict[str, str]) -> str:
    name, how, rest = found.groups()
    if name in env:
        return env[name]
    if how and how.endswith("?"):
        raise ValueError(f"{name}: {rest}")
    return rest or ""


def schema_faults(tree: Tree) -> Iterator[str]:
    schema = json.loads(SCHEMA.read_text())
    for error in jsonschema.Draft7Validator(schema).iter_errors(tree):
        yield f"{'.'.join(map(str, error.path))}: {error.message}"


def things_exist(tree: Tree, folder: Path) -> Iterator[str]:
    """Files, networks, secrets, configs and services that are named are there, and those that are there are used."""
    for kind in ("secrets", "configs"):
        used = {entry if isinstance(entry, str) else entry["source"]
                for service in tree["services"].values() for entry in service.get(kind, [])}
        yield from (f"{kind}: {name} is not there" for name in sorted(used - tree[kind].keys()))
        yield from (f"{kind}: nobody uses {name}" for name in sorted(tree[kind].keys() - used))
        for name, entry in tree[kind].items():
            if "file" in entry and not (folder / entry["file"]).is_file():
                yield f"{kind}: {name} is to be the file {entry['file']}, which is not there"
    for name, service in tree["services"].items():
        yield from (f"{name}: there is no network {net}" for net in service["networks"] if net not in tree["networks"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if not (folder / source).exists():
                yield f"{name}: {source} is not there"
        for other, how in service.get("depends_on", {}).items():
            if other not in tree["services"]:
                yield f"{name} waits for {other}, which is no service"
            elif how["condition"] == "service_healthy" and "healthcheck" not in tree["services"][other]:
                yield f"{name} waits for {other} to be healthy, which is never asked"
            elif not set(service["networks"]) & set(tree["services"][other]["networks"]):
                yield f"{name} waits for {other}, which it cannot reach"


def containers_are_confined(tree: Tree, _folder: Path) -> Iterator[str]:
    """Nobody is root, may more than a user, writes into the image or is reached from elsewhere."""
    for name, service in tree["services"].items():
        wanted = {
            "a user that is not root": re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user", ""))) is not None,
            "a read-only root": service.get("read_only") is True,
            "no capabilities": service.get("cap_drop") == ["ALL"],
            "no new privileges": "no-new-privileges:true" in service.get("security_opt", []),
            "a health check": "healthcheck" in service,
            "an image with a version": re.search(r":v?[0-9][^:/]*$", service["image"]) is not None,
            "a restart": service.get("restart") == "unless-stopped",
        }
        yield from (f"{name} lacks: {what}" for what, there in wanted.items() if not there)
        yield from (f"{name} publishes {port} to everybody" for port in service.get("ports", [])
                    if not port.startswith("127.0.0.1:"))


def ports_agree(tree: Tree, _folder: Path) -> Iterator[str]:
    """What is published or asked for health is listened on; no two publish the same."""
    published = [port.rsplit(":", 1)[0] for service in tree["services"].values() for port in service.get("ports", [])]
    yield from (f"{port} is published twice" for port in sorted({p for p in published if published.count(p) > 1}))
    for name, service in tree["services"].items():
        if not ours(service):
            continue
        listened = set(re.findall(r"listen=0\.0\.0\.0:(\d+)", " ".join(service["command"])))
        wanted = {port.rsplit(":", 1)[1] for port in service.get("ports", [])}
        wanted |= set(re.findall(r"127\.0\.0\.1:(\d+)", " ".join(service["healthcheck"]["test"])))
        yield from (f"{name} does not listen on {port}" for port in sorted(wanted - listened))


def words_of_the_program_fit(tree: Tree, _folder: Path) -> Iterator[str]:
    """Flags and settings of our program exist, files that they name are mounted, and brokers are services."""
    plain, _ = known_settings()
    for name, service in tree["services"].items():
        mounted = [f"/run/secrets/{entry}" for entry in service.get("secrets", []) if isinstance(entry, str)]
        mounted += [entry["target"] for kind in ("secrets", "configs") for entry in service.get(kind, [])
                    if isinstance(entry, dict)]
        mounted += [volume.split(":")[1] for volume in service.get("volumes", [])]
        mounted += [mount.split(":")[0] for mount in service.get("tmpfs", [])]
        words = [*service.get("command", []), *service.get("environment", {}).values()]
        for path in re.findall(r"(?:^|[= ])(/[\w./-]+)", " ".join(words)):
            if not any(path == mount or path.startswith(mount + "/") for mount in mounted):
                yield f"{name}: {path} is not mounted"
        if not ours(service):
            continue
        for variable in service["environment"]:
            if variable not in plain:
                yield f"{name}: {variable} is no setting"
        for words in (service["command"], service["healthcheck"]["test"][2:]):
            for flag in [word.partition("=")[0] for word in words[1:] if word.startswith("--")]:
                if flag not in known_flags(words[0]):
                    yield f"{name}: `loadhost {words[0]}` has no {flag}"
        broker = re.fullmatch(r"nats://([\w-]+):4222", service["environment"]["LOADHOST_NATS"])
        if not broker or broker[1] not in tree["services"]:
            yield f"{name}: LOADHOST_NATS is no service"


def _mounts(service: Tree, folder: Path) -> dict[str, Path]:
    """What a container has where."""
    return {target: folder / source for source, target, *_ in (volume.split(":") for volume in service["volumes"])}


def prometheus_asks_whom_there_is(tree: Tree, folder: Path) -> Iterator[str]:
    """Targets of the shipped configuration and of the list of workers, and Grafana's source."""
    mounts = _mounts(tree["services"]["prometheus"], folder)
    configuration = mounts["/etc/prometheus/prometheus.yml"]
    if not configuration.exists():
        return  # told by who looks for files
    prometheus = yaml.safe_load(configuration.read_text())
    told = [one for receiver in prometheus.get("alerting", {}).get("alertmanagers", []) for one in receiver["static_configs"]]
    told += [one for job in prometheus["scrape_configs"] for one in job.get("static_configs", [])]
    for target in [target for one in told for target in one["targets"]]:
        if target.partition(":")[0] not in tree["services"]:
            yield f"Prometheus asks {target}, which is no service"
    jobs = {job["job_name"]: job for job in prometheus["scrape_configs"]}
    masters = [name for name in tree["services"] if name.startswith("master-")]
    asked = jobs["loadhost-master"]["static_configs"][0]["targets"]
    if asked != [f"{name}:8089" for name in masters]:
        yield f"Prometheus asks the masters {asked}, and there are {masters}"
    [workers] = yaml.safe_load(tree["configs"]["workers.yml"]["content"])
    count = tree["services"]["worker"]["deploy"]["replicas"]
    named = [f"{tree['name']}-worker-{n}:9090" for n in range(1, count + 1)]
    if workers["targets"] != named:
        yield f"Prometheus asks the workers {workers['targets']}, and there are {named}"
    shared = [name for name in [*masters, "worker", "grafana"] if "fleet" not in tree["services"][name]["networks"]]
    yield from (f"{name} and prometheus have no network in common" for name in shared)
    mounted = mounts.keys() | {entry["target"] for kind in ("secrets", "configs") for entry in tree["services"]["prometheus"][kind]}
    wanted = [*prometheus["rule_files"], *jobs["loadhost-worker"]["file_sd_configs"][0]["files"],
              jobs["loadhost-master"]["authorization"]["credentials_file"]]
    yield from (f"Prometheus reads {name}, which is not mounted" for name in wanted
                if f"/etc/prometheus/{name}" not in mounted)
    yield from _grafana_shows_what_there_is(tree["services"]["grafana"], folder)


def _grafana_shows_what_there_is(grafana: Tree, folder: Path) -> Iterator[str]:
    mounts = _mounts(grafana, folder)
    provisioning = mounts.get("/etc/grafana/provisioning", folder)
    try:
        [source] = yaml.safe_load((provisioning / "datasources/loadhost.yml").read_text())["datasources"]
        [provider] = yaml.safe_load((provisioning / "dashboards/loadhost.yml").read_text())["providers"]
    except OSError as error:
        yield f"Grafana is told of nothing: {error}"
        return
    if source["url"] != "http://prometheus:9090":
        yield f"Grafana asks {source['url']}"
    dashboards = mounts.get(provider["options"]["path"])
    if dashboards is None or not list(dashboards.glob("*.json")):
        yield f"Grafana finds no dashboards at {provider['options']['path']}"


CHECKS: list[Callable[[Tree, Path], Iterator[str]]] = [
    things_exist, containers_are_confined, ports_agree, words_of_the_program_fit, prometheus_asks_whom_there_is,
]


def faults(tree: Tree, folder: Path) -> list[str]:
    """Of all checks."""
    return [fault for check in CHECKS for fault in check(tree, folder)]


def make_secrets(folder: Path, password: str) -> str:
    """As an operator does; what the shipped script says."""
    done = subprocess.run([folder / "make-secrets.sh"], input=password + "\n", capture_output=True, text=True,
                          env={"LOADHOST_BIN": str(loadhost()), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
