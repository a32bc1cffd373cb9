"""docs/operations.md proves what it says by tests that are there."""

import re
from pathlib import Path

import pytest
from house import CHECKOUT

PAGE = (CHECKOUT / "docs/operations.md").read_text()
PROOFS = sorted(set(re.findall(r"`((?:tests|host|docs)/[^`\s]+)`", PAGE)))


@pytest.mark.parametrize("proof", PROOFS)
def test_what_a_row_names_is_there(proof: str) -> None:
    file, _, name = proof.partition("::")
    path = Path(CHECKOUT / file)
    assert path.exists(), f"{file} is named in docs/operations.md and is not there"
    if name:
        assert re.search(rf"\b(?:fn|def) {name}\b", path.read_text()), f"{file} has no test {name}"


def test_each_row_has_a_proof() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 4]
    bare = [row for row in rows if not row.startswith("| there |") and "`" not in row.split("|")[3]]
    assert not bare, bare
    assert len(rows) > 60
