"""Does with a master what scripts and exporters do with Locust: poll.py MASTER TARGET. Standard library only."""
import csv, io, json, sys, time, urllib.error, urllib.parse, urllib.request

MASTER, TARGET = sys.argv[1].rstrip("/"), sys.argv[2]
HEADERS = {
    "/stats/requests/csv": "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%",
    "/stats/failures/csv": "Method,Name,Error,Occurrences,First Seen,Last Seen",
    "/exceptions/csv": "Count,Message,Traceback,Nodes",
}


def get(path):
    with urllib.request.urlopen(MASTER + path, timeout=10) as answer:
        return answer.read().decode()


def post(path, data=b"", kind="application/x-www-form-urlencoded"):
    request = urllib.request.Request(MASTER + path, data, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def form(**fields):
    return urllib.parse.urlencode(fields).encode()


def multipart(**fields):
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(name, value) for name, value in fields.items()) + "--x--\r\n"
    return body.encode(), "multipart/form-data; boundary=x"


def stats():
    return json.loads(get("/stats/requests"))


def until(what, probe, limit=60):
    deadline = time.monotonic() + limit
    while True:
        seen = stats()
        if probe(seen):
            return seen
        assert time.monotonic() < deadline, f"{what}: {json.dumps(seen)[:2000]}"
        time.sleep(0.2)


def expect_types(seen):
    """What locust_exporter unmarshals: a wrong type is an error in Go."""
    for row in seen["stats"]:
        for field in ("num_requests", "num_failures"):
            assert type(row[field]) is int, (field, row)
        for field in ("avg_response_time", "current_fail_per_sec", "min_response_time", "max_response_time", "median_response_time", "current_rps", "avg_content_length"):
            assert type(row[field]) is float, (field, row)
    assert type(seen["user_count"]) is int and type(seen["worker_count"]) is int
    assert type(seen["fail_ratio"]) is float
    assert seen["stats"][-1]["name"] == "Aggregated" and seen["stats"][-1]["method"] == ""
    for error in seen["errors"]:
        assert type(error["occurrences"]) is int


seen = stats()
assert seen["state"] == "ready" and seen["user_count"] == 0, seen
expect_types(seen)
refused = post("/swarm", form(user_count="many", spawn_rate=1))
assert refused["success"] is False and refused["message"] == "Missing or invalid user_count or spawn_rate from /swarm request", refused

started = post("/swarm", *multipart(user_count=4, spawn_rate=100, host=TARGET, run_time="5m", pause="20ms"))
assert started["success"] is True and started["message"] == "Swarming started", started
assert "ignored" not in started, started
seen = until("it runs", lambda seen: seen["state"] == "running" and seen["user_count"] == 4 and seen["stats"][-1]["num_requests"] > 50)
expect_types(seen)
until("percentiles of now", lambda seen: (seen["current_response_time_percentiles"]["response_time_percentile_0.95"] or 0) > 0 and seen["current_response_time_percentile_50"] > 0)
assert [worker["state"] for worker in stats()["workers"]] == ["running"], stats()["workers"]
assert json.loads(get("/worker-count")) == {"worker_count": 1}

for path, header in HEADERS.items():
    text = get(path)
    assert text.startswith(header + "\r\n"), (path, text[:300])
rows = list(csv.DictReader(io.StringIO(get("/stats/requests/csv"))))
assert rows[-1]["Name"] == "Aggregated" and float(rows[-1]["95%"]) > 0, rows[-1]
assert int(rows[-1]["Request Count"]) == sum(int(row["Request Count"]) for row in rows[:-1])
metrics = get("/locust/metrics")
values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
assert values["locust_up"] == "1" and values["locust_running"] == "2" and values["locust_users"] == "4", metrics
tasks = json.loads(get("/tasks"))
assert abs(sum(kind["ratio"] for kind in tasks["per_class"].values()) - 1) < 0.01, tasks
report = get("/stats/report?theme=dark")
assert report.startswith("<!doctype html>") and 'data-theme="dark"' in report and "<img" not in report
try:
    get("/stats/requests_full_history/csv")
    raise AssertionError("there is no full history")
except urllib.error.HTTPError as error:
    assert error.code == 404, error

changed = post("/swarm", form(locust_count=9, hatch_rate=50))
assert changed["success"] is True, changed
until("more users", lambda seen: seen["user_count"] == 9)
before = stats()["stats"][-1]["num_requests"]
assert get("/stats/reset") == "ok"
until("statistics begin anew", lambda seen: seen["stats"][-1]["num_requests"] < before)
assert json.loads(get("/stop")) == {"success": True, "message": "Test stopped"}
seen = until("it stops", lambda seen: seen["state"] == "stopped" and seen["user_count"] == 0)
assert "Stopped by a user." in get("/stats/report?download=1")
again = post("/swarm", form(user_count=2, spawn_rate=2, host=TARGET, user_classes="Nobody"))
assert again["success"] is False and "`Nobody`" in again["message"], again
print("all of it:", seen["stats"][-1]["num_requests"], "requests after the reset")
