"""Writes deploy/grafana/dashboards: `python3 deploy/grafana/make`. Change dashboards here, and not in the JSON.

Each master shows what its leader knows, so panels of fleet and run take what the leader says: `led(…)`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fleet
import run
import worker

DASHBOARDS = {"fleet": fleet.dashboard, "run": run.dashboard, "worker": worker.dashboard}


def texts() -> dict[str, str]:
    """Each file's content by its name."""
    return {f"{name}.json": json.dumps(made(), indent=2, ensure_ascii=False) + "\n" for name, made in DASHBOARDS.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (Path(__file__).parent.parent / "dashboards" / name).write_text(text)
