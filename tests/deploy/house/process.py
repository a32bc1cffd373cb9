"""Child processes whose output is kept, and which end with the test."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")


def until(what: str, probe: Callable[[], Found], within: float = 20.0, every: float = 0.05) -> Found:
    """Asks `probe` until it gives something true; its last words are told where it never does."""
    end = time.monotonic() + within
    trouble: object = None
    while True:
        try:
            found = probe()
            if found:
                return found
            trouble = found
        except (OSError, AssertionError, LookupError, ValueError) as error:
            trouble = error
        if time.monotonic() >= end:
            raise AssertionError(f"{what}: not within {within:g} s; last: {trouble!r}")
        time.sleep(every)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Process:
    """A program that runs until the test is over, in a process group of its own."""

    def __init__(self, name: str, command: Sequence[str | os.PathLike[str]], env: dict[str, str] | None = None,
                 cwd: Path | None = None):
        self.name = name
        self._lines: list[str] = []
        self._child = subprocess.Popen(
            [os.fspath(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", cwd=cwd, start_new_session=True,
            env={**os.environ, **(env or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout
        for line in self._child.stdout:
            self._lines.append(line)

    @property
    def pid(self) -> int:
        return self._child.pid

    def output(self) -> str:
        """Both of its outputs so far."""
        return "".join(self._lines)

    def running(self) -> bool:
        return self._child.poll() is None

    def says(self, pattern: str, within: float = 20.0) -> re.Match[str]:
        """Waits for a line in which `pattern` is found."""

        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.output(), re.MULTILINE)
            if not found and not self.running():
                self._reader.join(1)
                found = re.search(pattern, self.output(), re.MULTILINE)
                if not found:
                    pytest_fail(f"{self.name} ended with {self._child.returncode}:\n{self.output()}")
            return found

        try:
            return until(f"{self.name} says {pattern!r}", look, within)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None

    def signal(self, number: signal.Signals) -> None:
        """To this process alone."""
        self._child.send_signal(number)

    def kill(self) -> None:
        """At once, as kill -9 does."""
        self._child.kill()
        self._child.wait()

    def ends(self, within: float = 20.0) -> int:
        """Waits for its end; its exit code."""
        try:
            code = self._child.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {within:g} s:\n{self.output()}") from None
        self._reader.join(1)
        return code

    def stop(self, within: float = 10.0) -> int:
        """Asks it to end, and sees to it that nothing of its group is left."""
        if self.running():
            self._child.terminate()
        try:
            self._child.wait(within)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        code = self._child.wait()
        self._reader.join(1)
        return code


def pytest_fail(words: str) -> None:
    """Fails now: waiting longer would change nothing."""
    import pytest

    pytest.fail(words, pytrace=False)
