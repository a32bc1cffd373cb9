"""Processes in a root of their own, confined as the pods of deploy/kubernetes are: no root, nothing to write to but volumes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from house import DEPLOY, Process, loadhost, tool

# The mount namespace ends with the process, and each step ends in the next one's place, so signals reach the program.
_ENTER = """
set -e
root=$1
shift
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2"
    [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
    shift 3
done
shift
mount -o remount,bind,ro "$root"
exec "$@"
"""

# Last: from here on nothing of this machine is to be seen, and nothing can be had back.
_CONFINE = """
import ctypes, json, os, sys
root, work, user, groups, env, command = json.loads(sys.argv[1])
os.chroot(root)
os.chdir(work)
libc = ctypes.CDLL(None, use_errno=True)
DROP_FROM_BOUNDING_SET, NO_NEW_PRIVILEGES = 24, 38
for capability in range(int(open("/proc/sys/kernel/cap_last_cap").read()) + 1):
    if libc.prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "bounding set")
os.setgroups(groups)
os.setresgid(*[user[1]] * 3)
os.setresuid(*[user[0]] * 3)
if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
    raise OSError(ctypes.get_errno(), "no new privileges")
os.execve(command[0], command, env)
"""


@dataclass
class Volume:
    """A folder of this machine at a path of the container."""

    folder: Path
    path: str
    read_only: bool = True


@dataclass
class Image:
    """An image unpacked: its files, and what it says about itself."""

    root: Path
    config: dict[str, object]
    env: dict[str, str] = field(default_factory=dict)

    @property
    def user(self) -> str:
        return str(self.config["User"])


def needs_root() -> None:
    """Says so where it is not given."""
    assert os.geteuid() == 0, "images and pods are tried with mounts and users of their own: run these tests as root"


def build(folder: Path, program: Path | None = None) -> tuple[Path, str]:
    """Made by the shipped script, in a store of its own; the archive and what the script said."""
    needs_root()
    store = folder / "containers"
    conf = folder / "storage.conf"
    conf.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{store}/run"\ngraphroot = "{store}/graph"\n')
    archive = folder / "image.tar"
    env = {**os.environ, "CONTAINERS_STORAGE_CONF": str(conf), "OUTPUT": f"docker-archive:{archive}",
           "LOADHOST_BIN": str(program or loadhost())}
    tool("buildah")
    done = subprocess.run([DEPLOY / "image" / "build.sh"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(store, ignore_errors=True)
    return archive, done.stdout


def inspect(archive: Path) -> dict[str, object]:
    """The image's configuration, as skopeo reads it."""
    command = [tool("skopeo"), "inspect", "--config", "--raw", f"docker-archive:{archive}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["config"]


def unpack(archive: Path, root: Path) -> Image:
    """Its layers, one over the other."""
    layers = root.with_suffix(".layers")
    done = subprocess.run([tool("skopeo"), "copy", "--quiet", f"docker-archive:{archive}", f"dir:{layers}"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    root.mkdir()
    for layer in json.loads((layers / "manifest.json").read_text())["layers"]:
        with tarfile.open(layers / layer["digest"].removeprefix("sha256:")) as files:
            files.extractall(root, filter="fully_trusted")
    shutil.rmtree(layers)
    config = inspect(archive)
    env = dict(word.split("=", 1) for word in config["Env"])  # type: ignore[attr-defined]
    return Image(root, config, env)


def root_of(program: Path, root: Path) -> Image:
    """A root of one program of this machine and its libraries, for programs whose image cannot be fetched."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    for library in {word for line in shown.splitlines() for word in line.split() if word.startswith("/")}:
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    for folder in ("bin", "proc", "dev", "etc", "tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(program, root / "bin" / program.name)
    return Image(root, {"User": "", "WorkingDir": "/"}, {"PATH": "/bin"})


class Container(Process):
    """Runs until the test is over."""

    def __init__(self, name: str, image: Image, command: list[str], env: dict[str, str] | None = None,
                 volumes: list[Volume] | None = None, user: str | None = None, groups: list[int] | None = None):
        needs_root()
        mounts: list[str] = []
        for volume in volumes or []:
            (image.root / volume.path.lstrip("/")).mkdir(parents=True, exist_ok=True)
            mounts += [str(volume.folder), volume.path, "ro" if volume.read_only else "rw"]
        ids = [int(part) for part in (user or image.user).split(":")]
        work = str(image.config.get("WorkingDir") or "/")
        confined = json.dumps([str(image.root), work, ids, groups or [], {**image.env, **(env or {})}, command])
        enter = [tool("unshare"), "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh",
                 str(image.root), *mounts, "--", sys.executable, "-I", "-c", _CONFINE, confined]
        super().__init__(name, enter)

    def status(self) -> dict[str, str]:
        """What the kernel says of it: users, capabilities, no_new_privs."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}

    def end(self, within: float) -> int:
        """As an orchestrator ends it: asks, waits; its exit code."""
        self.signal(signal.SIGTERM)
        return self.ends(within)
