"""deploy/image: made without a registry, it says about itself what it should, and works as a user who may do nothing."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from house import CHECKOUT, DEPLOY, Fleet, Shop, ask, free_port, loadhost, scenario, until
from manifests.container import Container, Image, Volume, build, inspect, unpack

CONTAINERFILE = DEPLOY / "image" / "Containerfile"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def image(made: tuple[Path, str]) -> Image:
    return unpack(made[0], made[0].with_name("root"))


@pytest.fixture
def shop() -> Iterator[Shop]:
    started = Shop()
    yield started
    started.stop()


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", CONTAINERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def test_what_it_says_about_itself(made: tuple[Path, str]) -> None:
    archive, said = made
    config = inspect(archive)
    version = subprocess.run([loadhost(), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/local/bin/loadhost"] and config["Cmd"] == ["help"]
    assert set(config["ExposedPorts"]) == {"8089/tcp", "8080/tcp", "9090/tcp"}  # type: ignore[call-overload]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/loadhost", "health"]  # type: ignore[index]
    labels = {key.removeprefix("org.opencontainers.image."): text for key, text in config["Labels"].items()  # type: ignore[attr-defined]
              if key.startswith("org.opencontainers.image.")}
    assert labels["version"] == version and labels["title"] == "loadhost"
    assert re.fullmatch(r"[0-9a-f]{40}", labels["revision"])
    workspace = (CHECKOUT / "Cargo.toml").read_text()
    for key, name in (("licenses", "license"), ("source", "repository")):
        assert f'{name} = "{labels[key]}"' in workspace
    assert f"made localhost/loadhost:{version}: the program has " in said


def test_it_holds_the_program_without_symbols_and_nothing_else_to_run(image: Image) -> None:
    files = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    programs = [path for path in files if path.stat().st_mode & stat.S_IXUSR and ".so" not in path.name]
    assert [str(path.relative_to(image.root)) for path in programs] == ["usr/local/bin/loadhost"]
    assert programs[0].stat().st_size < loadhost().stat().st_size / 2
    sections = subprocess.run(["readelf", "-SW", programs[0]], capture_output=True, text=True, check=True).stdout
    assert ".text" in sections and ".symtab" not in sections and ".debug_info" not in sections
    assert "BEGIN CERTIFICATE" in (image.root / "etc/ssl/certs/ca-certificates.crt").read_text()
    ours = {path for path in [image.root, *image.root.rglob("*")] if path.lstat().st_uid != 0}
    assert not ours, "what runs may change these"
    loose = [path for path in files if path.stat().st_mode & (stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID)]
    assert not loose


def test_an_unprivileged_user_makes_a_real_load_with_it(image: Image, shop: Shop, tmp_path: Path) -> None:
    given, cache = tmp_path / "given", tmp_path / "cache"
    given.mkdir()
    cache.mkdir()
    os.chown(cache, 0, 65532)
    cache.chmod(0o2777)
    (given / "checkout.wasm").write_bytes(scenario().read_bytes())
    run = Container("run", image, [
        "/usr/local/bin/loadhost", "run", "--scenario", "/given/checkout.wasm", "--host", shop.url, "--users", "20",
        "--iterations", "20", "--json", "/out/results.json", "--cache-dir", "/out/compiled", "--allow-private",
    ], volumes=[Volume(given, "/given"), Volume(cache, "/out", read_only=False)])
    assert run.ends(within=60) == 0, run.output()
    results = json.loads((cache / "results.json").read_text())
    assert results["requests"] == ask(f"{shop.url}/_stats").json()["requests"] > 20
    assert results["failures"] == 0 and results["passed"]
    assert (cache / "compiled").stat().st_uid == 65532 and list((cache / "compiled").iterdir())


def test_what_runs_may_do_nothing_to_this_machine(image: Image, tmp_path: Path) -> None:
    shop = Container("shop", image, ["/usr/local/bin/loadhost", "demo-shop", "--listen", "127.0.0.1:0"])
    try:
        shop.says(r"http://127\.0\.0\.1:\d+")
        status = shop.status()
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65532"} and status["Groups"] == ""
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
        assert shop.end(within=10) == 0, shop.output()
    finally:
        shop.stop()
    refused = Container("writes", image, ["/usr/local/bin/loadhost", "nats-config", "/home/nonroot/keys"])
    assert refused.ends() == 119, refused.output()
    assert "Read-only file system" in refused.output()


def test_kubernetes_and_compose_use_the_images_user_and_ports(made: tuple[Path, str]) -> None:
    config = inspect(made[0])
    exposed = {int(port.partition("/")[0]) for port in config["ExposedPorts"]}  # type: ignore[attr-defined]
    declared = set()
    for name in ("masters", "workers"):
        for item in yaml.safe_load_all((DEPLOY / "kubernetes" / "base" / f"{name}.yaml").read_text()):
            if item["kind"] not in ("StatefulSet", "Deployment"):
                continue
            spec = item["spec"]["template"]["spec"]
            security = spec["securityContext"]
            assert f"{security['runAsUser']}:{security['runAsGroup']}" == config["User"]
            declared |= {port["containerPort"] for container in spec["containers"] for port in container["ports"]}
    assert declared == exposed


def test_the_containerfile_compiles_as_this_workspace_does() -> None:
    words = _instructions()
    stages = [rest for word, rest in words if word == "FROM"]
    assert len(stages) == 2 and stages[0].endswith(" AS builder")
    assert stages[1] == "scratch", "the last stage holds nothing but what root.sh lays out"
    [user] = [rest for word, rest in words if word == "USER"]
    assert user == "65532:65532", "the last stage is not to be root's"
    arguments = dict(rest.split("=", 1) for word, rest in words if word == "ARG")
    workspace = (CHECKOUT / "Cargo.toml").read_text()
    assert f'rust-version = "{arguments["RUST_VERSION"]}"' in workspace
    assert f'version = "{arguments["VERSION"]}"' in workspace
    [compiling] = [rest for word, rest in words if word == "RUN"]
    assert "cargo build --release --locked --package loadhost" in compiling
    assert "deploy/image/root.sh target/release/loadhost /rootfs" in compiling
    [copied] = [rest for word, rest in words if word == "COPY" and "--from=builder" in rest]
    assert copied == "--from=builder /rootfs /"
    assert 'name = "loadhost"' in (CHECKOUT / "host/cli/Cargo.toml").read_text()


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = subprocess.run([DEPLOY / "image" / "build.sh"], capture_output=True, text=True,
                          env={**os.environ, "LOADHOST_BIN": str(tmp_path / "none")})
    assert done.returncode == 1 and "hint: build it (cargo build --release --locked)" in done.stderr


def test_the_health_check_asks_whoever_is_there(fleet: Fleet) -> None:
    def health(*flags: str, **env: str) -> subprocess.CompletedProcess[str]:
        said = {f"LOADHOST_{key}": text for key, text in env.items()}
        return subprocess.run([loadhost(), "health", *flags], capture_output=True, text=True, env={**os.environ, **said})

    [master] = fleet.masters(1)
    worker = fleet.worker("one")
    until("the worker is ready", worker.ready)
    nobody = f"127.0.0.1:{free_port()}"
    at = {name: member.url.removeprefix("http://") for name, member in (("master", master), ("worker", worker))}
    for asked in (health("--url", master.url), health("--url", worker.url), health(LISTEN=at["master"]),
                  health(LISTEN=nobody, WORKER_HEALTH_LISTEN=at["worker"]), health(LISTEN=nobody, WORKER_LISTEN=at["worker"])):
        assert (asked.returncode, asked.stdout) == (0, "alive\n"), asked.stderr
    assert health("--ready", "--url", worker.url).stdout == "ready\n"
    silent = health(LISTEN=nobody, WORKER_HEALTH_LISTEN=nobody)
    assert silent.returncode == 102 and nobody in silent.stderr
    assert master.stop() == 0
    until("nobody leads", lambda: not worker.ready())
    waiting = health("--ready", "--url", worker.url)
    assert waiting.returncode == 103 and "no master leads" in waiting.stderr
    assert health("--url", worker.url).returncode == 0
