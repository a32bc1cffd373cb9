"""Requests of a test, without anything that the tests would have to trust."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        return None


def ask(url: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None, timeout: float = 10.0,
        context: Any = None) -> Answer:
    """Any status is an answer; only the lack of one is an OSError. Redirects are not followed, proxies not used."""
    data = None
    headers = dict(headers or {})
    if isinstance(body, bytes):
        data = body
        headers.setdefault("content-type", "application/octet-stream")
    elif body is not None:
        data = json.dumps(body).encode()
        headers.setdefault("content-type", "application/json")
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    handlers: list[Any] = [urllib.request.ProxyHandler({}), _Stay()]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())
