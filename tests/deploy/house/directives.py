"""What configuration files of balancers say, by section: without comments, and with single spaces."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

Sections = Mapping[str, list[str]]

_WORDS = re.compile(r"""#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[{};]|[^\s{};]+""")


def of_nginx(file: Path) -> Sections:
    """Directives by the blocks they stand in, as `server 443 > location /`; those of no block by the empty name.

    Servers are told apart by the port of their first `listen`.
    """
    found: dict[str, list[str]] = defaultdict(list)
    blocks: list[str] = []
    words: list[str] = []
    for word in _WORDS.findall(file.read_text()):
        if word.startswith("#"):
            continue
        if word == "{":
            blocks.append(" ".join(words))
        elif word == "}":
            blocks.pop()
        elif word == ";":
            if words[0] == "listen" and blocks == ["server"]:
                blocks[-1] = f"server {words[1]}"
            found[" > ".join(blocks)].append(" ".join(words))
        if word in "{};":
            words = []
        else:
            words.append(word)
    return found


def of_haproxy(file: Path) -> Sections:
    """Lines by `global`, `defaults`, `frontend NAME` and so on."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in file.read_text().splitlines():
        words = " ".join(line.split())
        if words and not words.startswith("#"):
            if line[0].isspace():
                found[section].append(words)
            else:
                section = words
    return found
