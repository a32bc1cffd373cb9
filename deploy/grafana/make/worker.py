"""Workers one by one, and the machines below them."""

from __future__ import annotations

import panels
from panels import BLUE, DASHED, GREEN, GREY, RED, YELLOW, Json, above, below, choice, colored, lines, now, query, stat, states, words
from shared import CHOSEN, FLEET, RATE, marks, variables

NODE = f'{FLEET}, instance=~"$node"'
#: In the order of a run's life.
STATES = [("idle", GREY), ("preparing", BLUE), ("ready", BLUE), ("set-up", BLUE), ("running", GREEN), ("stopping", YELLOW), ("stopped", GREY),
          ("torn-down", GREY), ("failed", RED)]


def at_a_glance() -> list[Json]:
    return [
        stat("Workers", "That answer Prometheus.", [now(f"sum(up{{{CHOSEN}}})", "up")], 3, thresholds=below(1, 1)),
        stat("Users", "Running on the chosen workers, and their room.",
             [query(f"sum(loadhost_users{{{CHOSEN}}})", "running"), query(f"sum(loadhost_capacity_users{{{CHOSEN}}})", "room")], 5, text="value_and_name"),
        stat("Requests", "Of the chosen workers.", [query(f"sum(rate(loadhost_requests_total{{{CHOSEN}}}{RATE}))", "requests")], 4, "reqps", decimals=1),
        stat("CPU of the busiest", "Of the cores that make load.", [query(f"max(loadhost_cpu_ratio{{{CHOSEN}}})", "cpu")], 3, "percentunit",
             above(0.6, 0.8), decimals=0),
        stat("Lag of the latest", "How late an iteration began in the last second.", [query(f"max(loadhost_lag_seconds{{{CHOSEN}}})", "lag")], 3, "s",
             above(0.1, 0.5)),
        stat("Fullest memory", "Of what it may have.",
             [query(f"max(process_resident_memory_bytes{{{CHOSEN}}} / on (job, instance) loadhost:memory_limit_bytes{{{CHOSEN}}})", "memory")], 3,
             "percentunit", above(0.6, 0.75), decimals=0),
        stat("Draining", "Workers that were taken out of service.", [query(f"sum(loadhost_draining{{{CHOSEN}}})", "draining")], 3,
             thresholds=above(1, 1000)),
    ]


def load() -> list[Json]:
    return [
        lines("Users", "What the autoscaler looks at (`loadhost_users_per_worker`).", [query(f"loadhost_users_per_worker{{{CHOSEN}}}", "{{instance}}")], 12),
        lines("Requests", "Finished requests.", [query(f"sum by (instance) (rate(loadhost_requests_total{{{CHOSEN}}}{RATE}))", "{{instance}}")], 12, "reqps"),
        lines("Failures", "Failed requests. On one worker alone: its network.",
              [query(f"sum by (instance) (rate(loadhost_request_failures_total{{{CHOSEN}}}{RATE}))", "{{instance}}")], 12, "reqps"),
        lines("Lag", "How late the latest iteration of the last second began. Above the line: LoadhostWorkerLate.",
              [query(f"loadhost_lag_seconds{{{CHOSEN}}}", "{{instance}}")], 12, "s", line=0.5),
        lines("Dropped arrivals", "Iterations that no user was free to begin in time.",
              [query(f"rate(loadhost_dropped_arrivals_total{{{CHOSEN}}}{RATE})", "{{instance}}")], 12, "ops"),
        lines("Crashes", "Users that were ended by a trap, a panic or a limit.",
              [query(f"rate(loadhost_user_crashes_total{{{CHOSEN}}}{RATE})", "{{instance}}")], 12, "ops"),
    ]


def resources() -> list[Json]:
    return [
        lines("CPU", "Of the cores that make load. Above the line: LoadhostWorkerBusy.", [query(f"loadhost_cpu_ratio{{{CHOSEN}}}", "{{instance}}")], 12,
              "percentunit", line=0.8),
        lines("Memory", "Resident, and what it may have.",
              [query(f"process_resident_memory_bytes{{{CHOSEN}}}", "{{instance}}"), query(f"loadhost:memory_limit_bytes{{{CHOSEN}}}", "limit of {{instance}}")],
              12, "bytes", overrides=[{"matcher": {"id": "byRegexp", "options": "limit of .*"},
                                       "properties": [{"id": f"custom.{key}", "value": value} for key, value in DASHED.items()]}]),
        lines("Cores", "Used by the whole process, compiling of scenarios with it.", [query(f"rate(process_cpu_seconds_total{{{CHOSEN}}}{RATE})", "{{instance}}")], 12),
        lines("Open files", "A user takes a connection or more.", [query(f"process_open_fds{{{CHOSEN}}}", "{{instance}}")], 12),
    ]


def service() -> list[Json]:
    coded = " or ".join(f'loadhost_worker_state{{{CHOSEN}, state="{name}"}} * {number}' for number, (name, _) in enumerate(STATES))
    meanings = words(**{f"v{number}": (name, color) for number, (name, color) in enumerate(STATES)})
    connected = words(v0=("cut off", RED), v1=("connected", GREEN))
    return [
        states("State", "Where each worker is in its run.", [query(f"sum by (instance) ({coded})", "{{instance}}")], 12, meanings),
        states("Broker", "Whether it is connected. It makes load without, until its lease is over.",
               [query(f"loadhost_broker_connected{{{CHOSEN}}}", "{{instance}}")], 12, connected),
        lines("Scenario modules", "Taken from the cache, compiled, fetched from the broker, refused.",
              [query(f"sum by (event) (rate(loadhost_module_cache_events_total{{{CHOSEN}}}{RATE}))", "{{event}}")], 12, "ops",
              overrides=[colored("refused", RED)]),
        lines("Cache of modules", "Compiled scenarios on disk.", [query(f"loadhost_module_cache_bytes{{{CHOSEN}}}", "{{instance}}")], 12, "bytes"),
    ]


def machines() -> list[Json]:
    return [
        lines("CPU of machines", "All processes, from the node exporter. Far above the worker's own: somebody else is at work.",
              [query(f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{NODE}, mode="idle"}}{RATE}))', "{{instance}}")], 12, "percentunit", top=1),
        lines("Free memory of machines", "Share that is available.",
              [query(f"node_memory_MemAvailable_bytes{{{NODE}}} / node_memory_MemTotal_bytes{{{NODE}}}", "{{instance}}")], 12, "percentunit", top=1),
        lines("Network of machines", "Received and sent, without loopback.",
              [query(f'sum by (instance) (rate(node_network_receive_bytes_total{{{NODE}, device!="lo"}}{RATE}))', "{{instance}} in"),
               query(f'sum by (instance) (rate(node_network_transmit_bytes_total{{{NODE}, device!="lo"}}{RATE}))', "{{instance}} out")], 12, "Bps"),
        lines("TCP sockets of machines", "In use, and waiting to be forgotten. The machine has one for each port to a target: 28,000 by default.",
              [query(f"node_sockstat_TCP_inuse{{{NODE}}}", "{{instance}} in use"), query(f"node_sockstat_TCP_tw{{{NODE}}}", "{{instance}} waiting")], 12),
    ]


def dashboard() -> Json:
    node = choice("node", "Machine", f"label_values(node_uname_info{{{FLEET}}}, instance)", several=True)
    rows = [("At a glance", at_a_glance()), ("Load", load()), ("Resources", resources()), ("Service", service()), ("Machines", machines())]
    about = "Workers of one fleet, and their machines."
    return panels.dashboard("loadhost-worker", "loadhost / Worker", about, variables("loadhost_worker_state", node), marks(), rows, "loadhost")
