"""What a fleet says over its broker, and how often."""

from __future__ import annotations

import socket
import statistics
import time

from .fleet import NatsServer


class Overheard:
    """Messages under a subject, as NATS' own protocol brings them: none of our client's code is in the way."""

    def __init__(self, nats: NatsServer, subject: str):
        self._line = socket.create_connection(("127.0.0.1", nats.port), timeout=20)
        self._said = self._line.makefile("rb")
        self._line.sendall(f'CONNECT {{"verbose": false}}\r\nSUB {subject} 1\r\nPING\r\n'.encode())
        while self._said.readline() != b"PONG\r\n":
            """The server greets first; from the PONG on it passes on what is published."""

    def next(self) -> float:
        """Waits for a message; the time it came."""
        while True:
            words = self._said.readline().split()
            assert words, "the broker has hung up"
            if words[0] == b"MSG":
                self._said.read(int(words[-1]) + 2)
                return time.monotonic()
            if words[0] == b"PING":
                self._line.sendall(b"PONG\r\n")

    def pace(self, gaps: int = 5) -> float:
        """Seconds from one message to the next: the median of so many."""
        came = [self.next() for _ in range(gaps + 1)]
        return statistics.median(later - earlier for earlier, later in zip(came, came[1:]))

    def stop(self) -> None:
        """As processes are stopped."""
        self._said.close()
        self._line.close()
