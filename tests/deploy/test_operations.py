"""docs/operations.md has each setting of the document that the product answers, and proves what it says by tests that are there."""

import re
from collections.abc import Iterator

import pytest
from house import CHECKOUT

SECTION = "## Each setting of a distributed Locust"
PAGE = (CHECKOUT / "docs/operations.md").read_text()

#: What that document sets, in its order, by its own words; of what stands there twice, both.
SETTINGS = """
    load balancer|Nginx|HAProxy|AWS ALB|ports 80 and 443|3 masters|port 5557|8089|worker groups 6|CPU and memory|storage 20GB|10GB|target system|ELK
    master_cluster.enabled|nodes[].name|nodes[].host|nodes[].port|nodes[].web_port|nodes[].priority
    election.enabled|election.timeout|election.heartbeat_interval
    synchronization.enabled|sync_interval|conflict_resolution
    bind.host|bind.port|web.host|web.port|web.auth_credentials
    expect_workers|expect_workers_max_wait|heartbeat_liveness|workers.heartbeat_interval
    load_distribution.strategy|rebalance_interval|worker_timeout|retry_failed_workers|max_retries
    max_memory_usage|max_cpu_usage|max_connections
    MASTER_HOST|MASTER_PORT|WEB_HOST|WEB_PORT|LOCUSTFILE|EXPECT_WORKERS|LOG_LEVEL|LOG_FILE|health checks|PID
    master.host|master.port|connection_timeout|reconnect_interval|max_reconnect_attempts
    identity.node_id|identity.tags|max_users|cpu_limit|memory_limit|gevent_pool_size|connection_pool_size|dns_cache_size
    metrics_enabled|metrics_port|health_check_port|logging.level|format|file|max_size|backup_count
    HPA|Deployment|annotations|requests and limits|probes|LOCUST_MODE|LOCUST_MASTER_HOST|LOCUST_MASTER_PORT|WORKER_NODE_ID
    ConfigMap|Secret|locust-framework:latest
    least_conn|weights 3, 2, 1|max_fails|fail_timeout|listen 443 ssl http2|server_name|ssl_certificate|ssl_protocols|ssl_ciphers
    X-Frame-Options|X-Content-Type-Options|X-XSS-Protection|Host|X-Real-IP|X-Forwarded-For|X-Forwarded-Proto
    proxy_http_version|Upgrade|proxy_connect_timeout|proxy_send_timeout|proxy_read_timeout|proxy_buffering|proxy_request_buffering
    location /health|access_log off|expires 1y|immutable
    daemon|maxconn 4096|log stdout|timeout connect|timeout client|timeout server|option httplog|option dontlognull
    stats uri|stats refresh|stats admin|bind *:443 ssl|redirect scheme https|is_websocket|is_api|is_stats|use_backend
    leastconn|httpchk
    scrape_interval|evaluation_interval|rule_files|metrics_path|kubernetes_sd_configs|relabelling|node-exporter|alertmanagers
    LocustMasterDown|LocustWorkerDisconnected|LocustHighErrorRate|LocustHighMemoryUsage
    NAMESPACE|MASTER_REPLICAS|WORKER_REPLICAS|IMAGE_TAG|ingress
"""


def rows(page: str) -> list[list[str]]:
    """Cells of the section's tables."""
    section = page.partition(SECTION)[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("| ")]
    return [row for row in cells if row[0] != "there"]


def faults(page: str) -> Iterator[str]:
    """A row names tests, `file::test`, and nothing else."""
    for row in rows(page):
        if len(row) != 3:
            yield f"{row[0]}: there are {len(row)} cells instead of three"
            continue
        if not re.fullmatch(r"`[^`]+`(, `[^`]+`)*", row[2].strip(" |")):
            yield f"{row[0]}: `{row[2]}` is no list of tests"
        for proof in re.findall(r"`([^`]+)`", row[2]):
            if not is_test(proof):
                yield f"{row[0]}: {proof} is no test"


def is_test(proof: str) -> bool:
    """Whether this is one that pytest or Rust's test harness runs."""
    file, _, name = proof.partition("::")
    path = CHECKOUT / file
    if not name.isidentifier() or not path.is_file():
        return False
    if path.suffix == ".py":
        return re.fullmatch(r"tests/deploy/test_\w+\.py", file) is not None and name.startswith("test_") \
            and re.search(rf"^def {name}\(", path.read_text(), re.MULTILINE) is not None
    attributes = r"#\[(?:tokio::)?test\b[^\n]*\]\s+(?:#\[[^\n]*\]\s+)*"
    return re.search(rf"{attributes}(?:async )?fn {name}\(", path.read_text()) is not None


def test_each_row_is_proven_by_tests_that_are_there() -> None:
    assert list(faults(PAGE)) == []
    assert len(rows(PAGE)) > 90


def test_no_setting_is_left_out() -> None:
    there = "\n".join(row[0] for row in rows(PAGE))
    settings = [setting for line in SETTINGS.split("\n") for setting in line.strip().split("|") if setting]
    assert [setting for setting in settings if not re.search(rf"(?<![\w.]){re.escape(setting)}(?!\w)", there) and f".{setting}" not in there] == []


@pytest.mark.parametrize("proof", [
    "", "docs/sandbox.md", "`docs/sandbox.md`", "`tests/deploy/test_nginx.py`", "`tests/it/service.rs`", "see `tests/it/service.rs`",
    "`tests/deploy/test_nginx.py::test_that_is_not_there`", "`tests/deploy/house/fleet.py::metric`", "`tests/deploy/test_haproxy.py::haproxy_from`",
    # A helper of tests, a test of another file, and a name that begins like one.
    "`tests/it/fleet.rs::workers`", "`tests/it/fleet.rs::a_cluster_is_seen_from_outside`", "`tests/it/masters.rs::a_cluster_is_seen`",
])  # fmt: skip
def test_what_proves_nothing_is_told(proof: str) -> None:
    page = f"{SECTION}\n| there | here | proven by |\n|---|---|---|\n| `a` | `b` | {proof} |\n"
    assert list(faults(page)), proof
