"""Cost of loadhost beside wrk: µs of CPU per request, memory per user, start-up times.

The target is `loadhost demo-shop`, pinned to one core; wrk and loadhost take turns on
another core, in the same run. CPU is user + system of the tool's whole process, divided by the
requests that the *target* counted. Machines are noisy: read the ratios and the medians.
"""

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import date

LOADHOST = os.environ["LOADHOST_BIN"]
GUESTS = os.environ["LOADHOST_GUESTS"]

WRK_FLOW = """
-- login, items, item, cart, checkout: one thread's connections take turns in each step.
local token = nil
local step = 0
function request()
  step = step % 5 + 1
  local headers = { ["Content-Type"] = "application/json" }
  if token then headers["Cookie"] = token end
  if step == 1 then return wrk.format("POST", "/login", headers, '{"user":"wrk","password":"secret"}') end
  if step == 2 then return wrk.format("GET", "/items", headers) end
  if step == 3 then return wrk.format("GET", "/item/7", headers) end
  if step == 4 then return wrk.format("POST", "/cart", headers, '{"item":7}') end
  return wrk.format("POST", "/checkout", headers, '{}')
end
function response(status, headers, body)
  local cookie = headers["Set-Cookie"] or headers["set-cookie"]
  if cookie then token = string.match(cookie, "^[^;]+") end
end
"""


class Shop:
    """The target, pinned to core 0."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", LOADHOST, "demo-shop", "--listen", "127.0.0.1:0", "--threads", "1"],
            stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "http://" in line:
                self.url = "http://" + line.split("http://")[1].split()[0].rstrip("/")
                return
        sys.exit("error: the demo shop did not start")

    def get(self, path, method="GET"):
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def stats(self):
        return json.loads(self.get("/_stats"))

    def reset(self):
        self.get("/_reset", method="POST")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=10)


def on_core_1(command):
    return ["taskset", "-c", "1"] + command


def loadhost(shop, scenario, users, seconds, *more):
    return on_core_1([LOADHOST, "run", "--scenario", f"{GUESTS}/{scenario}.wasm", "--host", shop.url,
                      "--users", str(users), "--run-time", f"{seconds}s", "--shards", "1", "--quiet", *more])


def wrk(shop, users, seconds, script=None):
    extra = ["-s", script] if script else []
    return on_core_1(["wrk", "-t1", f"-c{users}", f"-d{seconds}s", *extra, shop.url + "/"])


def cost(shop, command):
    """µs of CPU per request that the target served, and requests per second."""
    shop.reset()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    elapsed = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    requests = shop.stats()["requests"]
    return 1e6 * cpu / max(requests, 1), requests / elapsed


def compare(shop, title, ours, theirs, rounds):
    """Ours and theirs in turn; medians, and the median of the ratios pair by pair."""
    pairs = [(cost(shop, ours), cost(shop, theirs)) for _ in range(rounds)]
    our_cost = statistics.median(pair[0][0] for pair in pairs)
    their_cost = statistics.median(pair[1][0] for pair in pairs)
    ratio = statistics.median(pair[0][0] / pair[1][0] for pair in pairs)
    rate = statistics.median(pair[0][1] for pair in pairs)
    print(f"| {title} | {our_cost:.1f} | {their_cost:.1f} | {ratio:.2f} | {rate:,.0f} |", flush=True)


def footprint(pid):
    """KiB resident, and the part of it that is not shared (pages of n mappings count 1/n)."""
    with open(f"/proc/{pid}/smaps_rollup") as sums:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in sums if line.startswith(("Rss:", "Pss:"))}
    return sizes["Rss"], sizes["Pss"]


def memory(shop, users, baseline):
    """KiB per connected user, resident and its own, and seconds from launch until all are connected."""
    shop.reset()
    launched = time.monotonic()
    process = subprocess.Popen(loadhost(shop, "http_get", users, 20, "--param", "pause=2s"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        connected = None
        while time.monotonic() - launched < 18:
            if process.poll() is not None:
                sys.exit(f"error: the run with {users} users ended early:\n{process.stderr.read()}")
            if shop.stats()["connections"]["open"] > users:
                connected = time.monotonic() - launched
                break
            time.sleep(0.02)
        if connected is None:
            return None
        time.sleep(2)
        sizes = zip(footprint(process.pid), baseline)
        return *((size - base) / users for size, base in sizes), connected
    finally:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def baseline_memory(shop):
    process = subprocess.Popen(loadhost(shop, "http_get", 1, 20), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(3)
    size = footprint(process.pid)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    return size


def first_request(shop):
    """Seconds from launch to the first request at the target; the compiled module is cached."""
    times = []
    for _ in range(5):
        shop.reset()
        launched = time.time()
        subprocess.run(loadhost(shop, "http_get", 1, 1), capture_output=True, timeout=30)
        times.append(shop.stats()["first_request_unix_micros"] / 1e6 - launched)
    return statistics.median(times)


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if "model name" in line), "unknown")
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=8, help="of each measured run")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of runs for each line")
    options = parser.parse_args()

    shop = Shop()
    flow = tempfile.NamedTemporaryFile("w", suffix=".lua")
    flow.write(WRK_FLOW)
    flow.flush()
    try:
        print(f"{date.today()} · {machine()}\n")
        subprocess.run(loadhost(shop, "http_get", 1, 1), capture_output=True, timeout=60)
        subprocess.run(loadhost(shop, "checkout", 1, 1), capture_output=True, timeout=60)
        print("| µs of CPU per request | loadhost | wrk | ratio | loadhost req/s |\n|---|---|---|---|---|")
        seconds, rounds = options.seconds, options.rounds
        for users in (64, 1000):
            compare(shop, f"GET /, {users} users", loadhost(shop, "http_get", users, seconds),
                    wrk(shop, users, seconds), rounds)
        compare(shop, "scripted flow, 64 users", loadhost(shop, "checkout", 64, seconds, "--param", "pause=0s"),
                wrk(shop, 64, seconds, flow.name), rounds)

        print("\n| users | KiB per user, resident | its own | seconds from launch until connected |\n|---|---|---|---|")
        baseline = baseline_memory(shop)
        for users in (1000, 10000):
            figures = memory(shop, users, baseline)
            line = "{:.1f} | {:.1f} | {:.2f}".format(*figures) if figures else "not connected within 18 s | |"
            print(f"| {users:,} | {line} |", flush=True)
        print(f"\nfirst request after launch, compiled module cached: {first_request(shop):.3f} s")
    finally:
        shop.stop()


main()
