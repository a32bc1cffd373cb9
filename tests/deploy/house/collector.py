"""A server that keeps what it was asked, and the protobuf of what a collector is asked."""

from __future__ import annotations

import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Keeps what it was asked, and answers `status`; `location` is where it sends others to, `hangs` that it answers nothing."""

    daemon_threads = True

    def __init__(self, status: int = 200):
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.status = status
        self.location = ""
        self.hangs = threading.Event()
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {key.lower(): value for key, value in self.headers.items()}
                server.asked.append((self.path, headers, body))
                if server.hangs.is_set():
                    server.released.wait(60)
                self.send_response(server.status)
                if server.location:
                    self.send_header("location", server.location + self.path)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST = answer

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def fields(message: bytes) -> list[tuple[int, Any]]:
    """The fields of a protobuf message: numbers as they are, the rest as bytes."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        match key & 7:
            case 0:
                value: Any = varint()
            case 1:
                value = struct.unpack_from("<Q", message, at)[0]
                at += 8
            case 2:
                length = varint()
                value = message[at:at + length]
                at += length
            case 5:
                value = struct.unpack_from("<I", message, at)[0]
                at += 4
            case other:
                raise AssertionError(f"wire type {other}")
        found.append((key >> 3, value))
    return found


def inside(message: bytes, *path: int) -> list[bytes]:
    """All messages at a path of field numbers."""
    messages = [message]
    for number in path:
        messages = [value for one in messages for key, value in fields(one) if key == number]
    return messages


def attributes(message: bytes, number: int) -> dict[str, Any]:
    found = {}
    for pair in inside(message, number):
        [key], [value] = inside(pair, 1), inside(pair, 2)
        [(kind, known)] = fields(value)
        found[key.decode()] = known.decode() if kind == 1 else known
    return found
