"""Dashboards as Grafana reads them: their structure, and each expression against a Prometheus that asks a real fleet in a run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from house import CHECKOUT, DEPLOY, Fleet, until
from house.monitoring import PROMETHEUS, Watched, address, run_tool

GRAFANA = DEPLOY / "grafana"
NAMES = ("fleet", "run", "worker")
DASHBOARDS = {name: json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text()) for name in NAMES}
KINDS = {"stat", "timeseries", "state-timeline", "heatmap", "table"}
#: Of Grafana's units, those that we use.
UNITS = {"short", "reqps", "ops", "s", "bytes", "Bps", "percentunit"}
#: What Grafana puts in place of its own variables; four scrapes, as it does.
OWN = {"$__rate_interval": "10s"}


def expressions(name: str) -> Iterator[tuple[str, str]]:
    """Each with where it stands: `row / panel A`."""
    row = ""
    for panel in DASHBOARDS[name]["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
            continue
        for target in panel["targets"]:
            yield f"{row} / {panel['title']} {target['refId']}", target["expr"]


def filled(expression: str, variables: dict[str, str]) -> str:
    """As Grafana would ask it."""
    for name, value in {**OWN, **{f"${name}": value for name, value in variables.items()}}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that nobody defines: {expression}"
    return expression


def everything(name: str) -> dict[str, str]:
    """Each variable at its widest."""
    variables = [one for one in DASHBOARDS[name]["templating"]["list"] if one["type"] == "query"]
    return {one["name"]: one.get("allValue", "default") for one in variables}


def test_the_files_are_those_that_are_made(tmp_path: Path) -> None:
    copy = tmp_path / "make"
    copy.mkdir()
    for file in (GRAFANA / "make").glob("*.py"):
        (copy / file.name).write_text(file.read_text())
    (tmp_path / "dashboards").mkdir()
    subprocess.run([sys.executable, copy], check=True, timeout=30)
    for name in NAMES:
        made = (tmp_path / "dashboards" / f"{name}.json").read_text()
        assert made == (GRAFANA / "dashboards" / f"{name}.json").read_text(), "run: python3 deploy/grafana/make"


@pytest.mark.parametrize("name", NAMES)
def test_panels_are_numbered_and_lie_beside_each_other(name: str) -> None:
    board = DASHBOARDS[name]
    assert board["uid"] == f"loadhost-{name}" and board["title"] and board["schemaVersion"] >= 36
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers)) and all(numbers)
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["x"] + at["w"] <= 24 and at["h"] > 0, panel["title"]
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, f"{panel['title']} lies upon {taken[cell]}"
            taken[cell] = panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_panels_leaves_a_hole(name: str) -> None:
    widths: dict[int, int] = {}
    for panel in DASHBOARDS[name]["panels"]:
        widths[panel["gridPos"]["y"]] = widths.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(widths.values()) == {24}, widths


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_says_what_it_shows_in_which_unit(name: str) -> None:
    of_rows: dict[str, set[str]] = {}
    for panel in DASHBOARDS[name]["panels"]:
        if panel["type"] == "row":
            row = of_rows.setdefault(panel["title"], set())
            continue
        assert panel["title"] not in row, f"two panels {panel['title']} in one row"
        row.add(panel["title"])
        assert panel["type"] in KINDS and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["type"] in {"heatmap", "table"} or panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        refs = [target["refId"] for target in panel["targets"]]
        assert refs and len(refs) == len(set(refs))
        assert all(target["legendFormat"] != "__auto" or panel["type"] == "table" for target in panel["targets"]), panel["title"]
    assert len(of_rows) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_each_variable_is_used(name: str) -> None:
    variables = {one["name"]: one for one in DASHBOARDS[name]["templating"]["list"]}
    assert {"datasource", "fleet", "job", "instance"} <= set(variables)
    used = json.dumps(DASHBOARDS[name]["panels"])
    for variable in variables:
        assert f"${variable}" in used or f"${{{variable}}}" in used, variable


def test_expressions_are_promql(tmp_path: Path) -> None:
    marks = [(mark["name"], mark["expr"], name) for name in NAMES for mark in DASHBOARDS[name]["annotations"]["list"]]
    all_of_them = [(title, expr, name) for name in NAMES for title, expr in expressions(name)] + marks
    rules = [{"record": f"check:{n}", "expr": filled(expr, everything(name))} for n, (_, expr, name) in enumerate(all_of_them)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run_tool("promtool", "check", "rules", "--lint=none", tmp_path / "rules.yml")


def test_provisioning_finds_datasource_and_dashboards() -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/loadhost.yml").read_text())["datasources"]
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    shipped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == shipped["global"]["scrape_interval"], "or rates are taken over too little"
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/loadhost.yml").read_text())["providers"]
    assert provider["type"] == "file" and provider["options"]["path"] == "/var/lib/grafana/dashboards/loadhost"


@pytest.fixture(scope="module")
def running(shared_fleet: Fleet) -> Iterator[Watched]:
    """In the middle of a run with thresholds, of which one is broken."""
    watched = Watched(shared_fleet)
    watched.start("--users", "20", "--spawn-rate", "20", "--run-time", "5m", "--threshold", "http_req_duration p(95) < 30s",
                  "--threshold", "http_req_failed rate < 0.0000001%")
    until("requests are counted", lambda: (watched.prometheus.number("sum(rate(loadhost_requests_total[10s]))") or 0) > 10, within=40)
    broken = 'max(loadhost_thresholds{state="failing"})'
    until("one of the shop's rare errors breaks a threshold", lambda: watched.prometheus.number(broken) == 1, within=60)
    yield watched
    watched.end()


@pytest.mark.parametrize("name", NAMES)
def test_choices_are_offered(running: Watched, name: str) -> None:
    for variable in DASHBOARDS[name]["templating"]["list"]:
        if variable["type"] != "query":
            continue
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
        assert asked and variable["query"]["query"] == variable["definition"]
        values = running.prometheus.get(f"label/{asked[2]}/values", **{"match[]": filled(asked[1], everything(name))})
        assert values, variable["definition"]


@pytest.mark.parametrize("name", NAMES)
def test_each_expression_of_each_panel_has_data(running: Watched, name: str) -> None:
    empty: dict[str, str] = {title: filled(expr, everything(name)) for title, expr in expressions(name)}

    def all_have_data() -> bool:
        for title, expr in list(empty.items()):
            found = running.prometheus.query(expr)
            if found and all(value == value for _, value in found):
                del empty[title]
        assert not empty, empty
        return True

    until("all panels show something", all_have_data, within=20, every=0.5)


def test_what_is_shown_is_what_runs(running: Watched) -> None:
    def shown(name: str, title: str) -> list[tuple[dict[str, str], float]]:
        [expr] = [expr for where, expr in expressions(name) if where == title]
        return running.prometheus.query(filled(expr, everything(name)))

    def it_is_so() -> bool:
        [(leader, _)] = shown("fleet", "At a glance / Leader A")
        assert leader["instance"] == address(running.leader().url)
        [(state, _)] = shown("run", "At a glance / State A")
        assert state["state"] == "running"
        assert [value for _, value in shown("fleet", "At a glance / Workers A")] == [2.0]
        assert [value for _, value in shown("run", "At a glance / Thresholds broken A")] == [1.0]
        assert [value for _, value in shown("worker", "Service / State A")] == [4.0, 4.0], "both are running"
        names = {(row["method"], row["name"]) for row, _ in shown("run", "Times / By name A")}
        assert names and names == {(row["method"], row["name"]) for row, _ in shown("run", "Times / By name E")}
        return True

    # A name that was just seen for the first time has a value sooner than a rate, and the next scrape is a second away.
    until("dashboards show what runs", it_is_so)


def test_panels_that_the_runbook_names_are_there() -> None:
    words = (CHECKOUT / "docs" / "runbook.md").read_text()
    named = [(board.lower(), title) for board, rest in re.findall(r"[Dd]ashboard (Fleet|Run|Worker), ([^.;:]*)", words)
             for title in re.findall(r"\*([^*]+)\*", rest)]
    assert len(named) > 15
    for board, title in named:
        assert title in {panel["title"] for panel in DASHBOARDS[board]["panels"]}, f"dashboard {board} has no panel {title}"
