"""The Debian package: made, installed into a root of its own, looked at and used there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from house import CHECKOUT, DEPLOY, loadhost

INSTALL = ["dpkg", "--force-script-chrootless", "--force-depends", "--force-not-root"]


def run(*command: object, check: bool = True, **how: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([os.fspath(w) if isinstance(w, Path) else str(w) for w in command], capture_output=True, text=True, **how)
    assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    # Packing tightly takes a minute.
    made = run(DEPLOY / "debian" / "build.sh", folder, env={**os.environ, "LOADHOST_BIN": str(loadhost()), "COMPRESSION": "gzip"})
    return Path(made.stdout.strip())


@pytest.fixture(scope="module")
def root(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed, with its scripts run."""
    root = tmp_path_factory.mktemp("root")
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"]:
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    for name in ["passwd", "group"]:
        (root / "etc" / name).write_text("root:x:0:0:root:/root:/bin/sh\n" if name == "passwd" else "root:x:0:\n")
    run(*INSTALL, f"--root={root}", "--install", package)
    return root


def test_it_says_what_it_is_and_what_it_needs(package: Path) -> None:
    version = run(loadhost(), "--version").stdout.split()[1]
    architecture = run("dpkg", "--print-architecture").stdout.strip()
    assert package.name == f"loadhost_{version}-1_{architecture}.deb"
    fields = run("dpkg-deb", "--field", package).stdout
    for line in [f"Version: {version}-1", f"Architecture: {architecture}", "Section: net"]:
        assert line in fields.splitlines(), fields
    assert re.search(r"^Depends: libc6 \(>= 2\.\d+\), ", fields, re.MULTILINE), fields


def test_it_lays_down_program_pages_completions_units_and_settings(package: Path) -> None:
    listed = run("dpkg-deb", "--contents", package).stdout
    modes = {line.split()[5].removeprefix("."): line.split()[:2] for line in listed.splitlines()}
    for path, mode in [
        ("/usr/bin/loadhost", "-rwxr-xr-x"),
        ("/usr/share/man/man1/loadhost.1.gz", "-rw-r--r--"),
        ("/usr/share/man/man1/loadhost-worker.1.gz", "-rw-r--r--"),
        ("/usr/share/bash-completion/completions/loadhost", "-rw-r--r--"),
        ("/usr/share/zsh/vendor-completions/_loadhost", "-rw-r--r--"),
        ("/usr/share/fish/vendor_completions.d/loadhost.fish", "-rw-r--r--"),
        ("/usr/lib/systemd/system/loadhost-master.service", "-rw-r--r--"),
        ("/usr/lib/systemd/system/loadhost-worker.service", "-rw-r--r--"),
        ("/usr/lib/systemd/system/loadhost-nats.service", "-rw-r--r--"),
        ("/etc/loadhost/", "drwxr-x---"),
        ("/etc/loadhost/master.env", "-rw-r-----"),
        ("/usr/share/doc/loadhost/copyright", "-rw-r--r--"),
        ("/usr/share/doc/loadhost/operations.md", "-rw-r--r--"),
    ]:
        assert modes.get(path) == [mode, "root/root"], f"{path}: {modes.get(path)}\n{listed}"


def test_settings_are_the_administrators_and_are_kept(package: Path, root: Path) -> None:
    conffiles = run("dpkg-deb", "--info", package, "conffiles").stdout.split()
    assert conffiles == ["/etc/loadhost/master.env", "/etc/loadhost/worker.env"]
    changed = root / "etc/loadhost/worker.env"
    changed.write_text("LOADHOST_NATS=nats://mine:4222\n")
    run(*INSTALL, f"--root={root}", "--force-confold", "--install", package)
    assert changed.read_text() == "LOADHOST_NATS=nats://mine:4222\n"


@pytest.mark.parametrize("file", ["master.env", "worker.env"])
def test_settings_are_settings(file: str, tmp_path: Path) -> None:
    """Also those that are only proposed."""
    text = (DEPLOY / "debian" / file).read_text()
    given = dict(re.findall(r"^#?(LOADHOST_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert len(given) >= 5, given
    known = set(re.findall(r"`(LOADHOST_[A-Z_]+)`", (CHECKOUT / "docs/settings.md").read_text()))
    for name in given:
        assert name in known or name.rsplit("_", 1)[0] + "_NAME" in known, name
    command = "master" if file == "master.env" else "worker"
    # They hold together: only that there is no broker is left to say.
    del given["LOADHOST_NATS_NKEY"]
    given.pop("LOADHOST_WEB_USERS", None)
    given |= {"LOADHOST_NATS": "nats://127.0.0.1:9", "LOADHOST_MAX_WAIT": "1s", "LOADHOST_LISTEN": "127.0.0.1:0"}
    given["LOADHOST_WORKER_PROCESSES"] = "1"
    done = run(loadhost(), command, check=False, cwd=tmp_path, timeout=60, env={**os.environ, **given})
    assert done.returncode == 115, done.stdout + done.stderr


def test_system_users_are_made_and_read_what_others_may_not(root: Path) -> None:
    users = dict(line.split(":", 1) for line in (root / "etc/passwd").read_text().splitlines())
    groups = dict(line.split(":", 1) for line in (root / "etc/group").read_text().splitlines())
    group = groups["loadhost"].split(":")[1]
    for user, home in [("loadhost", "/var/lib/loadhost"), ("loadhost-nats", "/var/lib/loadhost-nats")]:
        _, number, of_group, _, at, shell = users[user].split(":")
        assert 0 < int(number) < 1000 and of_group == group and at == home and shell.endswith("nologin"), users
    if os.geteuid() == 0:
        settings = (root / "etc/loadhost").stat()
        assert (settings.st_uid, settings.st_gid, settings.st_mode & 0o777) == (0, int(group), 0o750)


def test_program_manual_and_completions_work_there(root: Path) -> None:
    program = root / "usr/bin/loadhost"
    assert run(program, "--version").stdout == run(loadhost(), "--version").stdout
    manual = root / "usr/share/man"
    for page, words in [("loadhost", ["drain", "EXIT STATUS"]), ("loadhost-worker", ["--health-listen", "--drain-deadline"])]:
        shown = run("man", "-M", manual, "--locale=C", page, env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "120"}).stdout
        assert all(word in shown for word in words), shown
    warnings = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", manual / "man1/loadhost.1.gz",
                   env={**os.environ, "MANROFFSEQ": ""}).stderr
    assert warnings == "", warnings
    script = root / "usr/share/bash-completion/completions/loadhost"
    ask = f'source {script}; COMP_WORDS=(loadhost drain --this-m); COMP_CWORD=2; _loadhost loadhost --this-m drain; echo "${{COMPREPLY[@]}}"'
    assert run("bash", "-c", ask).stdout == "--this-master\n"
    for shell, file in [("zsh", "usr/share/zsh/vendor-completions/_loadhost"), ("fish", "usr/share/fish/vendor_completions.d/loadhost.fish")]:
        if shutil.which(shell):
            run(shell, "-n", root / file)
        assert "this-master" in (root / file).read_text()


def test_nothing_has_changed_since_it_was_packed(root: Path) -> None:
    sums = run("dpkg", f"--root={root}", "--verify", "loadhost", check=False).stdout
    changed = [line for line in sums.splitlines() if "/etc/loadhost/worker.env" not in line]
    assert changed == [], sums


def test_purged_it_leaves_nothing(package: Path, root: Path) -> None:
    for folder in ["var/lib/loadhost", "var/log/loadhost"]:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "some").write_text("left")
    run(*INSTALL, f"--root={root}", "--purge", "loadhost")
    left = [str(path) for path in root.rglob("*") if "loadhost" in path.name]
    assert left == []
