"""Rules and routes as shipped; and the whole way of an alert, from a worker that is killed to whom it may concern."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from house import CHECKOUT, Fleet, ask, tool, until
from house.monitoring import ALERTMANAGER, PROMETHEUS, RULES, Alertmanager, Mailbox, Told, Watched, address, run_tool
from subprocess import run

CASES = PROMETHEUS / "loadhost.rules.test.yml"
RUNBOOK = CHECKOUT / "docs" / "runbook.md"
BOOK = "https://github.com/loadhost/loadhost/blob/main/docs/runbook.md#"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
RECORDS = [rule for group in GROUPS for rule in group["rules"] if "record" in rule]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
ROUTING = yaml.safe_load(ALERTMANAGER.read_text())
SCOPES = {"masters", "workers", "broker", "fleet", "run", "machines"}


def test_rules_are_valid() -> None:
    run_tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES)


def test_rules_alert_and_keep_silent_as_their_cases_say() -> None:
    run_tool("promtool", "test", "rules", CASES)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["labels"]["scope"] in SCOPES
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == BOOK + name.lower()
    assert name in sections()


def sections() -> dict[str, str]:
    """What the runbook says of each alert."""
    parts = re.split(r"^## (Loadhost\w+)\n", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_runbook_knows_all_alerts_and_no_other() -> None:
    assert list(sections()) == list(ALERTS), "one section for each alert, in the order of the rules"
    for name, text in sections().items():
        parts = re.findall(r"^\*\*(\w+(?: \w+)*)\.\*\* (.+)$", text, flags=re.MULTILINE)
        assert [part for part, _ in parts] == ["Means", "See", "Do"], f"{name} says what it means, how to see it and what to do"


COMPARED = re.compile(r"(==|<|>) ([0-9.]+)")


def weaker(expression: str) -> Iterator[str]:
    """The expression with each of its conditions, one after the other, made to hold always."""
    for found in COMPARED.finditer(expression):
        yield expression[: found.start()] + "> -1e9" + expression[found.end():]
    if expression.startswith("absent("):
        yield "vector(1)"


def accepted(folder: Path, variants: dict[str, dict[str, Any]], case: dict[str, Any]) -> set[str]:
    """With which variants of a rule, side by side under names of their own, its case finds no fault."""
    names = {f"Variant{number}": what for number, what in enumerate(variants)}
    rules = [{**rule, "alert": name} for name, rule in zip(names, variants.values())]
    groups = [{"name": "records", "rules": RECORDS}, {"name": "variants", "rules": rules}]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    asked = [{**one, "alertname": name} for name in names for one in case["alert_rule_test"]]
    cases = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [{**case, "alert_rule_test": asked}]}
    (folder / "cases.yml").write_text(yaml.safe_dump(cases))
    done = run([tool("promtool"), "test", "rules", folder / "cases.yml"], capture_output=True, text=True, timeout=60)
    faulty = set(re.findall(r"alertname: (Variant\d+), time", done.stdout + done.stderr))
    assert "Unit Testing" in done.stdout and (done.returncode == 0) != bool(faulty), done.stdout + done.stderr
    return {what for name, what in names.items() if name not in faulty}


@pytest.mark.parametrize("name", ALERTS)
def test_cases_notice_each_condition_that_an_alert_lacks(name: str, tmp_path: Path) -> None:
    [case] = [case for case in yaml.safe_load(CASES.read_text())["tests"] if case["alert_rule_test"][0]["alertname"] == name]
    told = [one["exp_alerts"] for one in case["alert_rule_test"]]
    assert any(told) and not all(told), "there are cases in which it fires, and in which it doesn't"
    rule = ALERTS[name]
    variants = {"as shipped": rule, "never fires": {**rule, "expr": f"({rule['expr']}) > 1e18"}}
    variants |= {expression: {**rule, "expr": expression} for expression in weaker(rule["expr"])}
    if "for" in rule:
        variants["fires at once"] = {**rule, "for": "0s"}
    assert accepted(tmp_path, variants, case) == {"as shipped"}


def test_the_routing_is_valid(tmp_path: Path) -> None:
    assert "SUCCESS" in run_tool("amtool", "check-config", ALERTMANAGER)
    wanted = {"critical": "on-call,operators", "warning": "operators", "info": "operators"}
    for severity in sorted({rule["labels"]["severity"] for rule in ALERTS.values()}):
        routed = run_tool("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}", "fleet=default")
        assert routed.splitlines()[0] == wanted[severity], routed


def test_what_is_inhibited_names_alerts_that_there_are() -> None:
    words = yaml.safe_dump(ROUTING["inhibit_rules"])
    named = set(re.findall(r"Loadhost\w+", words)) - {"Loadhost"}
    assert named and named <= set(ALERTS)
    assert set(re.findall(r'scope =~ "([a-z|]+)"', words)[0].split("|")) <= SCOPES


SUMMARIES = {"LoadhostNoLeader": "Leads nobody", "LoadhostMasterDown": "Down is m1"}


def sent(alertmanager: Alertmanager, fleet: str, *alerts: tuple[str, dict[str, str]]) -> Callable[..., None]:
    """Tells of alerts; the answer asks that each has this state."""
    for_a_while = (datetime.now(timezone.utc) + timedelta(minutes=5)).isoformat()
    body = [{"labels": {"alertname": name, **ALERTS[name]["labels"], "fleet": fleet, **labels}, "endsAt": for_a_while,
             "annotations": {"summary": SUMMARIES.get(name, name)}} for name, labels in alerts]
    assert ask(f"{alertmanager.url}/api/v2/alerts", "POST", body).status == 200

    def are(**wanted: str) -> None:
        def so() -> bool:
            states = alertmanager.alerts(fleet)
            assert states == wanted, states
            return True

        until("alerts are active or suppressed", so, within=5)

    return are


def test_what_follows_from_an_alert_is_not_told_beside_it(tmp_path: Path) -> None:
    told, mailbox = Told(), Mailbox()
    alertmanager = Alertmanager(tmp_path / "alertmanager", told.url, mailbox.address)
    try:
        master, worker = {"job": "loadhost-master", "instance": "m1"}, {"job": "loadhost-worker", "instance": "w1"}
        other = {"job": "loadhost-worker", "instance": "w2"}
        are = sent(alertmanager, "default", ("LoadhostNoLeader", {}), ("LoadhostMasterDown", master), ("LoadhostHighMemoryUsage", master),
                   ("LoadhostWorkersMissing", {}), ("LoadhostStatisticsLate", {}), ("LoadhostBrokerUnsteady", worker))
        are(LoadhostNoLeader="active", LoadhostMasterDown="active", LoadhostHighMemoryUsage="suppressed", LoadhostWorkersMissing="suppressed",
            LoadhostStatisticsLate="suppressed", LoadhostBrokerUnsteady="active")
        are = sent(alertmanager, "elsewhere", ("LoadhostWorkerDown", worker), ("LoadhostRestarts", worker), ("LoadhostWorkerBusy", other),
                   ("LoadhostUsersShort", {}))
        are(LoadhostWorkerDown="active", LoadhostRestarts="suppressed", LoadhostWorkerBusy="active", LoadhostUsersShort="active")

        until("what is critical is told by mail too", lambda: len(mailbox.mails) > 0)
        mail = mailbox.mails[0]
        assert mail["to"] == "on-call@example.com"
        assert mail["subject"] == "[FIRING] default: Down is m1. Leads nobody. "
        until("and by the webhook", lambda: told.of("LoadhostNoLeader", "firing"))
        assert not told.of("LoadhostWorkersMissing", "firing") and not told.of("LoadhostRestarts", "firing")
    finally:
        for process in (alertmanager, told, mailbox):
            process.stop()


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    told = Told()
    yield told
    told.stop()


@pytest.fixture(scope="module")
def watched(shared_fleet: Fleet, told: Told) -> Iterator[Watched]:
    """Two workers in a run against a shop that fails now and then; Prometheus tells Alertmanager, and that the webhook."""
    alertmanager = shared_fleet.keep(Alertmanager(shared_fleet.folder / "alertmanager", told.url))
    watched = Watched(shared_fleet, address(alertmanager.url), error_rate="0.2")
    watched.start("--users", "20", "--spawn-rate", "20", "--run-time", "5m")
    until("both are at work", lambda: users(watched) == 20, within=40)
    yield watched
    watched.end()


def users(watched: Watched) -> float | None:
    return watched.prometheus.number('sum(loadhost_users{job="loadhost-worker"})')


def test_each_series_that_a_rule_looks_at_is_told(watched: Watched) -> None:
    rules = "\n".join(rule["expr"] for rule in [*RECORDS, *ALERTS.values()])
    selectors = set(re.findall(r"\b(?:loadhost|process)_\w+(?:\{[^}]*\})?", rules))
    assert len(selectors) > 20

    def all_told() -> bool:
        missing = [selector for selector in selectors if not watched.prometheus.query(selector)]
        assert not missing, missing
        return True

    until("each series is told", all_told)


def test_failing_requests_are_told(watched: Watched, told: Told) -> None:
    alert = until("errors are told", lambda: told.of("LoadhostHighErrorRate", "firing", fleet="default", scope="run", severity="warning"))[0]
    assert re.fullmatch(r"[12]\d(\.\d+)?% of the requests of fleet default fail", alert["annotations"]["summary"]), alert


def test_a_killed_worker_is_told_and_so_is_its_replacement(watched: Watched, told: Told) -> None:
    prometheus = watched.prometheus
    until("the run expects both", lambda: prometheus.number("max by (fleet) (loadhost_workers_expected and on (instance) loadhost_leader == 1)") == 2)
    missing = {"fleet": "default", "scope": "workers", "severity": "warning"}
    killed = watched.workers[0]
    which = {"job": "loadhost-worker", "instance": address(killed.url), **missing}
    assert not told.of("LoadhostWorkersMissing", "firing") and not told.of("LoadhostWorkerDown", "firing", **which), told.messages

    killed.kill()
    first = until("the fleet misses a worker", lambda: told.of("LoadhostWorkersMissing", "firing"), within=30)[0]
    assert first["labels"] == {"alertname": "LoadhostWorkersMissing", **missing}
    assert first["annotations"]["description"] == "Fleet default has 1 fewer workers than its runs expect, for two minutes."
    assert first["annotations"]["runbook_url"] == BOOK + "loadhostworkersmissing"
    until("it is told which", lambda: told.of("LoadhostWorkerDown", "firing", **which))
    together = [{one["labels"]["alertname"] for one in message["alerts"]} for message in told.messages if message["groupLabels"]["scope"] == "workers"]
    assert {"LoadhostWorkersMissing", "LoadhostWorkerDown"} in together, "both in one message"

    watched.workers.append(watched.fleet.worker("replacement"))
    watched.list_workers()
    until("the fleet is whole again", lambda: told.of("LoadhostWorkersMissing", "resolved"), within=30)
    until("nobody waits for the killed one", lambda: told.of("LoadhostWorkerDown", "resolved", **which), within=30)
    until("all users run", lambda: users(watched) == 20, within=30)
    assert prometheus.query('ALERTS{alertstate="firing", scope=~"masters|workers|broker"}') == []


def test_a_worker_at_its_limit_of_memory_is_told(watched: Watched, told: Told) -> None:
    small = watched.fleet.worker("small", "--memory-limit", "32MiB", "--max-users", "1")
    watched.workers.append(small)
    watched.list_workers()
    which = {"job": "loadhost-worker", "instance": address(small.url), "fleet": "default", "severity": "warning"}
    until("its memory is told", lambda: told.of("LoadhostHighMemoryUsage", "firing", **which), within=30)


def test_masters_that_are_down_are_told(watched: Watched, told: Told) -> None:
    leader = watched.leader()
    [other] = [master for master in watched.masters if master is not leader]
    leader.kill()
    which = {"job": "loadhost-master", "fleet": "default", "severity": "critical"}
    until("its loss is told", lambda: told.of("LoadhostMasterDown", "firing", instance=address(leader.url), **which))
    until("the other one leads", lambda: watched.prometheus.number(f'loadhost_leader{{instance="{address(other.url)}"}}') == 1)
    assert not told.of("LoadhostMasterDown", "firing", instance=address(other.url))
    other.kill()
    until("so is that of the other one", lambda: told.of("LoadhostMasterDown", "firing", instance=address(other.url), **which))
    until("nobody leads", lambda: told.of("LoadhostNoLeader", "firing", fleet="default", severity="critical"))
