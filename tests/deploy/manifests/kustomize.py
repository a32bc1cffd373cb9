"""`kubectl kustomize`, in a copy of deploy/kubernetes that has secrets."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import yaml
from house import DEPLOY, loadhost

from .objects import Objects

PASSWORD = "correct horse battery staple"
OLDEST_KUSTOMIZE = 5


def kubectl() -> str:
    """One that is new enough: before kustomize 5, components and patches had other forms or none."""
    found = shutil.which("kubectl")
    hint = "install Kubernetes' kubectl 1.27 or newer (Debian 13 has one in kubernetes-client, Debian 12's of 2020 is too old)"
    assert found, f"kubectl is missing: {hint}"
    said = subprocess.run([found, "version", "--client", "-o", "json"], capture_output=True, text=True).stdout
    version = json.loads(said).get("kustomizeVersion", "v0") if said else "v0"
    assert int(version.lstrip("v").split(".")[0]) >= OLDEST_KUSTOMIZE, f"{found} has kustomize {version}: {hint}"
    return found


def with_secrets(folder: Path, *overlays: str) -> Path:
    """A copy of deploy/kubernetes in which the shipped script has made each overlay's secrets."""
    copy = folder / "kubernetes"
    shutil.copytree(DEPLOY / "kubernetes", copy, ignore=shutil.ignore_patterns("secrets"))
    for overlay in overlays:
        make_secrets(copy, overlay)
    return copy


def make_secrets(kubernetes: Path, overlay: str) -> str:
    """What the shipped script says."""
    command = [kubernetes / "make-secrets.sh", f"overlays/{overlay}"]
    done = subprocess.run(command, cwd=kubernetes, input=PASSWORD + "\n", capture_output=True, text=True,
                          env={"LOADHOST_BIN": str(loadhost()), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def render(kubernetes: Path, overlay: str, *components: str) -> Objects:
    """What would be applied; a warning of kustomize's is a fault."""
    target = kubernetes / "overlays" / overlay
    if components:
        base, target = target, target.with_name("-".join([overlay, *components]))
        shutil.copytree(base, target)
        kustomization = yaml.safe_load((target / "kustomization.yaml").read_text())
        kustomization.setdefault("components", []).extend(f"../../components/{name}" for name in components)
        (target / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    done = subprocess.run([kubectl(), "kustomize", target], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return Objects(list(yaml.safe_load_all(done.stdout)))
