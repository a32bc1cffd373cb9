"""The fleet: who leads, who is there, and how its parts are."""

from __future__ import annotations

import panels
from panels import BLUE, DASHED, GREEN, GREY, RED, YELLOW, Json, above, below, colored, lines, now, query, stat, states, table, words
from shared import CHOSEN, FLEET, RATE, WORKERS, led, led_rate, marks, most, variables


def at_a_glance() -> list[Json]:
    return [
        stat("Leader", "The master that leads. Others stand by, show what it knows, and pass on what they are asked.",
             [now(f"loadhost_leader{{{CHOSEN}}} == 1", "{{instance}}")], 5, text="name", thresholds=below(0, 1)),
        stat("Masters", "Masters that answer Prometheus.", [now(f'sum(up{{{FLEET}, job=~"$job"}})', "up")], 3, thresholds=below(1, 2)),
        stat("Workers", "Alive, as the leader hears them; and how many the runs expect.",
             [query(most("loadhost_workers", liveness="alive"), "alive"), query(most("loadhost_workers_expected"), "expected")],
             4, text="value_and_name"),
        stat("Users", "Running, and wanted by the run at this moment.",
             [query(most("loadhost_users"), "running"), query(most("loadhost_users_wanted"), "wanted")], 4,
             text="value_and_name"),
        stat("Requests", "In the last ten seconds.", [query(most("loadhost_requests_per_second"), "requests")], 3, "reqps", decimals=1),
        stat("Failed", "Share of the requests of the last ten seconds.", [query(most("loadhost_failure_ratio"), "failed")], 3,
             "percentunit", above(0.01, 0.05), decimals=2),
        stat("Alerts", "That fire for this fleet; docs/runbook.md says what to do.",
             [now(f'count(ALERTS{{alertstate="firing", {FLEET}}}) or vector(0)', "alerts")], 2, thresholds=above(1, 3)),
    ]


def load() -> list[Json]:
    return [
        lines("Users", "Wanted by the run, running, and the room of all workers together. Room below what is wanted: add workers.",
              [query(most("loadhost_users_wanted"), "wanted"), query(most("loadhost_users"), "running"),
               query(most("loadhost_capacity_users"), "room")], 12,
              overrides=[colored("wanted", BLUE, **DASHED), colored("running", GREEN), colored("room", GREY, **DASHED)]),
        lines("Requests", "Finished and failed requests of all workers.",
              [query(f"sum({led_rate('loadhost_requests_total')})", "requests"),
               query(f"sum({led_rate('loadhost_request_failures_total')})", "failures")], 12, "reqps",
              overrides=[colored("requests", GREEN), colored("failures", RED)]),
    ]


def masters() -> list[Json]:
    leads = words(v0=("stands by", GREY), v1=("leads", GREEN))
    return [
        states("Leader", "Exactly one leads. A gap in all rows: LoadhostNoLeader.", [query(f"loadhost_leader{{{CHOSEN}}}", "{{instance}}")], 12, leads),
        lines("Term", "Goes up by one with each election.", [query(f"max(loadhost_term{{{CHOSEN}}})", "term")], 6, step=True),
        lines("Aggregation", "Time that the leader spends on merging what workers measured. Near 100 %, statistics come late.",
              [query(f"rate(loadhost_aggregation_seconds_total{{{CHOSEN}}}{RATE})", "{{instance}}")], 6, "percentunit", line=0.8),
        lines("Memory of masters", "Resident; LoadhostHighMemoryUsage looks at it.", [query(f"process_resident_memory_bytes{{{CHOSEN}}}", "{{instance}}")],
              8, "bytes"),
        lines("CPU of masters", "Cores that are used.", [query(f"rate(process_cpu_seconds_total{{{CHOSEN}}}{RATE})", "{{instance}}")], 8, "short"),
        lines("Open files of masters", "Pages and API calls take one each.", [query(f"process_open_fds{{{CHOSEN}}}", "{{instance}}")], 8),
    ]


def broker() -> list[Json]:
    connected = words(v0=("cut off", RED), v1=("connected", GREEN))
    return [
        states("Broker", "Masters and workers that have a connection to the NATS server.",
               [query(f"loadhost_broker_connected{{{FLEET}}}", "{{instance}}")], 12, connected),
        lines("Broker reconnects", "Connections that had to be made again.",
              [query(f"sum by (instance) (rate(loadhost_broker_reconnects_total{{{FLEET}}}{RATE}))", "{{instance}}")], 6, "ops"),
        lines("Transport", "Events of the transport, of all processes together.",
              [query(f"sum by (event) (rate(loadhost_transport_events_total{{{FLEET}}}{RATE}))", "{{event}}")], 6, "ops"),
    ]


def workers() -> list[Json]:
    return [
        lines("Workers", "As the leader hears them; the dashed line is how many the runs expect. Below it: LoadhostWorkersMissing.",
              [query(f"max by (liveness) ({led('loadhost_workers')})", "{{liveness}}"), query(most("loadhost_workers_expected"), "expected")],
              12, stacked=True, step=True,
              overrides=[colored("alive", GREEN), colored("suspect", YELLOW), colored("lost", RED),
                         colored("expected", BLUE, stacking={"mode": "none", "group": "A"}, **DASHED)]),
        lines("Users of each worker", "By their own metrics. They differ by distribution and weight.",
              [query(f"loadhost_users{{{WORKERS}}}", "{{instance}}")], 12),
        lines("CPU of each worker", "Of the cores that make load. Above the line: LoadhostWorkerBusy.",
              [query(f"loadhost_cpu_ratio{{{WORKERS}}}", "{{instance}}")], 12, "percentunit", line=0.8),
        table("Versions", "What each process runs. Several versions for long: LoadhostVersionsDiffer.",
              [("up", "short", f"loadhost_build_info{{{FLEET}}}")], ["job", "instance", "version"], 12, hidden=("__name__", "fleet", "up", "Value")),
    ]


def dashboard() -> Json:
    rows = [("At a glance", at_a_glance()), ("Load", load()), ("Masters", masters()), ("Workers", workers()), ("Broker", broker())]
    about = "Masters, workers and broker of one fleet."
    return panels.dashboard("loadhost-fleet", "loadhost / Fleet", about, variables("loadhost_leader"), marks(), rows, "loadhost")
