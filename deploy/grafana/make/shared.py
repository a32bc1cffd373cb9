"""What all three dashboards of loadhost have: how masters and workers are chosen, and what is marked."""

from __future__ import annotations

from panels import BLUE, RED, Json, choice, datasource, events

FLEET = 'fleet="$fleet"'
CHOSEN = 'fleet="$fleet", job=~"$job", instance=~"$instance"'
WORKERS = 'fleet="$fleet", job="loadhost-worker"'
RATE = "[$__rate_interval]"
#: Whoever leads. Its series go on elsewhere when another one does.
LEADER = f"and on (job, instance) loadhost_leader{{{FLEET}}} == 1"


def led(name: str, **labels: str) -> str:
    """A metric as the leader tells it."""
    return f"{selector(name, labels)} {LEADER}"


def led_rate(name: str, **labels: str) -> str:
    """A counter's growth in a second, as the leader tells it."""
    return f"rate({selector(name, labels)}{RATE}) {LEADER}"


def most(name: str, **labels: str) -> str:
    """As one series, whoever leads."""
    return f"max({led(name, **labels)})"


def selector(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{', '.join([FLEET, *(f'{key}={chr(34)}{value}{chr(34)}' for key, value in labels.items())])}}}"


def variables(of: str, *more: Json) -> list[Json]:
    """`of` is a metric that only those have whom the dashboard is about."""
    return [
        datasource(),
        choice("fleet", "Fleet", "label_values(loadhost_build_info, fleet)"),
        choice("job", "Job", f'label_values({of}{{{FLEET}}}, job)', several=True),
        choice("instance", "Instance", f'label_values({of}{{{FLEET}, job=~"$job"}}, instance)', several=True),
        *more,
    ]


def marks() -> list[Json]:
    return [
        events("Alerts", RED, f'ALERTS{{alertstate="firing", {FLEET}, severity=~"critical|warning"}}', "{{alertname}}", "{{instance}}"),
        events("Another leader", BLUE, f"changes(max by (fleet) (loadhost_term{{{FLEET}}})[1m:15s]) > 0", "Another master leads", ""),
    ]
