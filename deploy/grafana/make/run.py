"""The runs that go on, or the last one, as their leader tells it: load, times, verdict, and whether the numbers can be trusted."""

from __future__ import annotations

import panels
from panels import BLUE, DASHED, GREEN, RED, YELLOW, Json, above, colored, heatmap, lines, now, query, stat, states, table, words
from shared import CHOSEN, led, led_rate, marks, most, variables

QUANTILES = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))


def quantile(which: str, name: str, by: str = "le") -> str:
    """Of the requests of the interval."""
    return f"histogram_quantile({which}, sum by ({by}) ({led_rate(f'{name}_bucket')}))"


def at_a_glance() -> list[Json]:
    trusted = words(v0=("to be trusted", GREEN), v1=("saturated", RED))
    return [
        stat("State", "Of the runs that go on, or of the last one.", [now(f"({led('loadhost_run_state')}) > 0", "{{state}}")], 4, text="name"),
        stat("Users", "Running now.", [query(most("loadhost_users"), "users")], 3),
        stat("Requests", "In the last ten seconds.", [query(most("loadhost_requests_per_second"), "requests")], 3, "reqps", decimals=1),
        stat("Failed", "Share of the requests of the last ten seconds.", [query(most("loadhost_failure_ratio"), "failed")], 3,
             "percentunit", above(0.01, 0.05), decimals=2),
        stat("Response time p95", "Of the last ten seconds, from the intended start on.",
             [query(most("loadhost_request_duration_seconds", time="response", percentile="95"), "p95")], 4, "s"),
        stat("Thresholds broken", "Of those that the run was given.", [query(most("loadhost_thresholds", state="failing"), "broken")], 3,
             thresholds=above(None, 1)),
        stat("Numbers", "Whether workers are quick enough for response times to be the target's.",
             [now(most("loadhost_generator_saturated"), "generator")], 4, mappings=trusted, thresholds=above(None, 1)),
    ]


def requests() -> list[Json]:
    return [
        lines("Requests by name", "Finished requests.", [query(f"sum by (method, name) ({led_rate('loadhost_requests_total')})", "{{method}} {{name}}")],
              12, "reqps", stacked=True),
        lines("Failures by name", "Failed requests.",
              [query(f"sum by (method, name) ({led_rate('loadhost_request_failures_total')})", "{{method}} {{name}}")], 12, "reqps", stacked=True),
        lines("Failed", "Share of all requests. Above the line: LoadhostHighErrorRate.",
              [query(most("loadhost_failure_ratio"), "failed")], 12, "percentunit", line=0.05),
        lines("Users", "Wanted by the run, and running.",
              [query(most("loadhost_users_wanted"), "wanted"), query(most("loadhost_users"), "running")], 12,
              overrides=[colored("wanted", BLUE, **DASHED), colored("running", GREEN)]),
    ]


def times() -> list[Json]:
    response, service = "loadhost_response_time_seconds", "loadhost_service_time_seconds"
    by_name = "sum by (method, name)"
    columns = [("requests", "short", f"{by_name} ({led('loadhost_requests_total')})"), ("failures", "short", f"{by_name} ({led('loadhost_request_failures_total')})")]
    columns += [(name, "s", f"max by (method, name) ({led('loadhost_response_time_percentile_seconds', percentile=str(round(float(which) * 100)))})") for which, name in QUANTILES]
    return [
        lines("Response time", "From the intended start to the end of the answer, over all names.",
              [query(quantile(which, response), name) for which, name in QUANTILES], 12, "s"),
        lines("Response and service time", "p95 of both. Service time begins with the sending: a gap between the two is the generator's lateness.",
              [query(quantile("0.95", response), "response"), query(quantile("0.95", service), "service")], 12, "s",
              overrides=[colored("response", BLUE), colored("service", GREEN)]),
        heatmap("Distribution of response times", "How many requests took how long.", f"sum by (le) ({led_rate(f'{response}_bucket')})", 12, "s"),
        lines("Response time p95 by name", "Which requests are slow.", [query(quantile("0.95", response, "le, method, name"), "{{method}} {{name}}")], 12, "s"),
        table("By name", "From the start of the run.", columns, ["method", "name"], 24),
    ]


def verdict() -> list[Json]:
    return [
        lines("Thresholds", "By what they say now. No data never passes.", [query(f"max by (state) ({led('loadhost_thresholds')})", "{{state}}")], 8,
              stacked=True, step=True, overrides=[colored("passing", GREEN), colored("failing", RED), colored("no-data", YELLOW)]),
        lines("Dropped arrivals", "Iterations of an arrival rate that no user was free to begin in time.",
              [query(f"sum({led_rate('loadhost_dropped_arrivals_total')})", "dropped")], 8, "ops", overrides=[colored("dropped", RED)]),
        lines("Crashed users", "Traps, panics and limits of the sandbox. Above the line for a minute: LoadhostUsersCrash.",
              [query(f"sum({led_rate('loadhost_user_crashes_total')})", "crashes")], 8, "ops", line=0.1),
    ]


def trust() -> list[Json]:
    saturated = words(v0=("fast enough", GREEN), v1=("saturated", RED))
    return [
        states("Generator", "Saturated: response times tell about the workers.", [query(most("loadhost_generator_saturated"), "generator")], 12,
               saturated),
        lines("Lag of workers", "How late the latest iteration of the last second began, on the chosen workers. Above the line: LoadhostWorkerLate.",
              [query(f"loadhost_lag_seconds{{{CHOSEN}}}", "{{instance}}")], 12, "s", line=0.5),
        lines("Age of statistics", "How long ago the newest second ended that all workers reported. Above the line: LoadhostStatisticsLate.",
              [query(most("loadhost_statistics_age_seconds"), "age")], 12, "s", line=10),
        lines("Intervals", "Seconds of workers, by what became of them. Missing ones: LoadhostStatisticsLost.",
              [query(f"sum by (outcome) ({led_rate('loadhost_intervals_total')})", "{{outcome}}")], 12, "ops",
              overrides=[colored("merged", GREEN), colored("missing", RED), colored("late", YELLOW)]),
    ]


def dashboard() -> Json:
    rows = [("At a glance", at_a_glance()), ("Requests", requests()), ("Times", times()), ("Verdict", verdict()), ("Can it be trusted?", trust())]
    about = "The runs that go on in one fleet, or its last one. The page has each run by itself."
    return panels.dashboard("loadhost-run", "loadhost / Run", about, variables("loadhost_worker_state"), marks(), rows, "loadhost")
