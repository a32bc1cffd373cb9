"""The rehearsal of docs/operations.md does on one machine what the page says, with its commands as they are written there."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import CHECKOUT, DEPLOY, Process, loadhost, scenario, tool

PAGE = (CHECKOUT / "docs/operations.md").read_text()
SECTION = PAGE.partition("## A rehearsal on one machine")[2].partition("\n## ")[0]

# Who types by hand gives the servers the time that is waited for here. The network is nobody else's, so that the page's ports are free.
AROUND = """
ip link set lo up
SERVERS
waited() { for _ in $(seq 150); do if eval "$1"; then return; fi; sleep 0.2; done; echo "not within 30 s: $1"; exit 1; }
status() { loadhost status --ca cert.pem; }
waited 'status 2>&1 | grep -c "^worker worker-" | grep -qx 4'
START
waited 'status 2>&1 | grep -q " 200 VUs "'
asked() { curl --silent --get "http://127.0.0.1:9092/api/v1/$1" --data-urlencode "query=${2:-}"; }
waited 'asked query "sum by (job) (up)" | grep -q "\\"loadhost-master\\"},.*\\"3\\".*\\"loadhost-worker\\"},.*\\"4\\""'
waited 'asked alertmanagers | grep -q "http://127.0.0.1:9093/"'
waited 'asked rules | grep -q LoadhostMasterDown'
curl --silent --fail --output /dev/null --write-out "alertmanager %{http_code}\\n" http://127.0.0.1:9093/-/ready
curl --silent --output /dev/null --write-out "statistics %{http_code}\\n" http://127.0.0.1:8404/stats
status >status; echo status:; cat status
echo "that was all of it"
"""


@pytest.fixture
def rehearsal() -> Iterator[Process]:
    # Others may enter it, as the page says.
    folder = Path(tempfile.mkdtemp(prefix="loadhost-rehearsal-"))
    folder.chmod(0o711)
    (folder / "bin").mkdir()
    (folder / "bin/loadhost").symlink_to(loadhost())
    (folder / "checkout.wasm").symlink_to(scenario())
    [commands] = re.findall(r"^```sh\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    servers, start, rest = re.split(r"^(?=loadhost start |loadhost status )", commands, flags=re.MULTILINE)
    assert rest == "loadhost status --ca cert.pem\n"
    script = folder / "rehearsal.sh"
    script.write_text(AROUND.replace("SERVERS", servers).replace("START", start))
    # Whoever is started there ends with the first process of their own namespace.
    alone = [tool("unshare"), "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-eu", script]
    env = {"D": str(DEPLOY), "PATH": f"{folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin", "XDG_CACHE_HOME": str(folder / "cache")}
    started = Process("rehearsal", alone, env=env, cwd=folder)
    yield started
    started.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_commands_of_the_page_put_up_a_fleet_that_is_watched(rehearsal: Process) -> None:
    assert rehearsal.ends(within=120) == 0, rehearsal.output()
    said = rehearsal.output()
    assert "alertmanager 200\n" in said and "statistics 401\n" in said, said
    # As the page shows it: the fourth worker has little memory, and a tenth of the requests fails.
    shown = re.search(r"^```\n(worker worker-1 .*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    told = re.search(r"^status:\n(.*?)^that was all of it$", said, re.MULTILINE | re.DOTALL)
    assert shown and told and without_figures(told[1]) == without_figures(shown[1]), said


def without_figures(text: str) -> str:
    """What differs from one time to the next is left out; of memory only that it is little, too."""
    for pattern, instead in ((r"run \w+ ", "run R "), (r"of [\d,]+ users", "of U users"), (r"(?<![\w-])\d+(:\d+|[.,]\d+)*", "N")):
        text = re.sub(pattern, instead, text)
    return text
