"""What holds behind any balancer that deploy/ has a configuration for."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from .balancers import Certificate, Doomed, Site
from .fleet import Fleet, tool
from .http import ask
from .process import until
from .readers import Page, Visitor, connect, headers_of

#: Said by each answer, once.
SAID = ["content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy", "strict-transport-security"]

#: What somebody who only looks asks for.
READ = ["/", "/health", "/api/v1/runs", "/api/v1/workers"]


class Balancer(Protocol):
    """One that runs."""

    url: str
    plain: str
    certificate: Certificate


def the_door_is_kept(site: Site, balancer: Balancer) -> None:
    """Who gets in, by which way, and with how much. The last of it leaves logins locked."""
    url, trust = balancer.url, balancer.certificate.trust()
    only_tls_of_today_is_spoken(url, balancer.certificate)
    plain_http_is_sent_to_https(balancer.plain)
    each_header_is_said_once(site, url, trust)
    the_pages_files_are_asked_for_anew(url, trust)
    a_login_holds_on_all_masters(site, url, trust)
    the_masters_know_who_asks(site, url, trust)
    uploads_are_bounded_as_the_masters_do(site, url, trust)
    logins_are_counted_by_the_clients_address(site, url, trust)


def only_tls_of_today_is_spoken(url: str, certificate: Certificate) -> None:
    """And HTTP/2, if the client can: browsers open few connections by HTTP/1.1, and streams need one each."""
    where = (urlsplit(url).hostname, urlsplit(url).port)
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        context = certificate.trust("h2", "http/1.1", version=version)
        with socket.create_connection(where) as line, context.wrap_socket(line, server_hostname=where[0]) as door:
            assert door.selected_alpn_protocol() == "h2"
    old = certificate.trust(version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(where) as line:
        try:
            old.wrap_socket(line, server_hostname=where[0]).close()
        except ssl.SSLError:
            return
    raise AssertionError("TLS 1.1 was spoken")


def plain_http_is_sent_to_https(plain: str) -> None:
    """With its method, its path and its query."""
    answer = ask(f"{plain}/api/v1/runs?limit=3", "POST", {})
    assert answer.status == 308 and answer.headers["location"].endswith("/api/v1/runs?limit=3")
    assert answer.headers["location"].startswith("https://")


def each_header_is_said_once(site: Site, url: str, context: ssl.SSLContext) -> None:
    """By the masters' answers and by those of the balancer's own; what masters say is passed on as it is."""
    master = site.masters[0].url
    for path in ["/", "/assets/app.js", "/api/v1/runs", "/api/v1/openapi.json", "/nothing", "/health"]:
        own, passed = headers_of(master, None, path), headers_of(url, context, path)
        names = [name for name, _ in passed]
        assert [names.count(name) for name in SAID] == [1] * len(SAID), (path, passed)
        hops = {"connection", "date", "server", "keep-alive", "transfer-encoding"}
        told = {line for line in passed if line[0] not in hops}
        assert {line for line in own if line[0] not in hops} == told - {("strict-transport-security", "max-age=31536000")}
    names = [name for name, _ in headers_of(url, context, "/balancer-health")]
    assert all(names.count(name) == 1 for name in SAID), names
    # Browsers have dropped it; the content security policy does its work.
    assert "x-xss-protection" not in names


def the_pages_files_are_asked_for_anew(url: str, context: ssl.SSLContext) -> None:
    """Their names do not change with what they hold."""
    first = ask(f"{url}/assets/app.js", context=context)
    assert first.headers["cache-control"] == "no-cache" and first.headers["etag"]
    again = ask(f"{url}/assets/app.js", headers={"If-None-Match": first.headers["etag"]}, context=context)
    assert (again.status, again.body) == (304, b"")


def a_login_holds_on_all_masters(site: Site, url: str, context: ssl.SSLContext) -> None:
    """From our own page, by its address as the browser says it; the cookie goes by TLS only."""
    session, who = f"{url}/api/v1/session", {"user": "alice", "password": site.PASSWORD}
    foreign = ask(session, "POST", who, {"Origin": "https://evil.example"}, context=context)
    assert foreign.json()["code"] == "foreign-page"
    good = ask(session, "POST", who, {"Origin": url}, context=context)
    assert good.status == 200, good.text
    cookie = good.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    for word in ["; Secure", "; HttpOnly", "; SameSite=Strict"]:
        assert cookie.count(word) == 1, cookie
    shown = {"Cookie": cookie.split(";")[0], "Origin": url}
    for _ in range(4):
        assert ask(session, headers=shown, context=context).json()["user"] == "alice"
    for master in site.masters:
        behind = {**shown, "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.9"}
        assert master.ask("/api/v1/session", headers=behind).json()["user"] == "alice"
    # A change by cookie is our page's only.
    wanted = {"scenario": "0" * 64}
    assert ask(f"{url}/api/v1/plans", "POST", wanted, shown, context=context).json()["code"] != "foreign-page"


def the_masters_know_who_asks(site: Site, url: str, context: ssl.SSLContext) -> None:
    """By the address that the balancer sees, whatever the client says."""
    line = connect(url, context, source="127.0.0.9")
    wrong = {"user": "alice", "password": "not hers"}
    forged = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7", "Forwarded": "for=192.0.2.7"}
    line.request("POST", "/api/v1/session", json.dumps(wrong), {**forged, "content-type": "application/json"})
    assert line.getresponse().status == 401
    line.close()
    told = until("a master's audit has it", lambda: [t for m in site.masters if "wrong user" in (t := m.output())])
    assert "from=127.0.0.9" in told[0] and "192.0.2.7" not in told[0], told


def cookies_go_by_tls_only(url: str, certificate: Certificate) -> None:
    """Also those of a master that does not know about the balancer's TLS: it answers `/fine`."""
    fine = until("it answers", lambda: (told := ask(f"{url}/fine", context=certificate.trust())).status == 200 and told)
    assert fine.headers["set-cookie"].lower() == "a=b; path=/; secure"


def logins_are_counted_by_the_clients_address(site: Site, url: str, context: ssl.SSLContext) -> None:
    """The masters see one address for all. Whoever tries too often must not lock out others there, nor be unable to work."""
    answers = [ask(f"{url}/api/v1/session", "POST", {}, context=context) for _ in range(25)]
    refused = [answer for answer in answers if answer.status == 429]
    assert 1 <= len(refused) < 25 and answers[-1].status == 429
    last = refused[-1]
    assert last.json()["code"] == "too-many-attempts" and int(last.headers["retry-after"]) > 0
    forged = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7"}
    assert ask(f"{url}/api/v1/session", "POST", {}, forged, context=context).status == 429
    assert ask(f"{url}/api/v1/session", context=context).status == 200, "asking who one is costs nothing"
    assert ask(f"{url}/api/v1/runs", headers=site.bearer, context=context).status == 200


def uploads_are_bounded_as_the_masters_do(site: Site, url: str, context: ssl.SSLContext) -> None:
    """The largest that a master takes gets through; what is larger is not even sent."""
    row = b"x" * 1023 + b"\n"
    rows = b"name\n" + row * (64 * 1024 - 1)
    assert 0 <= 64 * 2**20 - len(rows) < 1024
    kind = {**site.bearer, "content-type": "text/csv"}
    taken = ask(f"{url}/api/v1/data-sets?name=large.csv", "POST", rows, kind, 30, context)
    assert taken.status == 201, taken.text
    line = connect(url, context)
    line.putrequest("POST", "/api/v1/data-sets?name=larger.csv")
    for name, value in {**kind, "content-length": str(66 * 2**20)}.items():
        line.putheader(name, value)
    line.endheaders()
    refused = line.getresponse()
    assert refused.status == 413
    assert b"larger than the balancer lets pass" in refused.read()
    line.close()


def twice_by_http2(url: str, chain: Path, first: str, then: str) -> str:
    """Asks, and changes something on the same connection; both statuses."""
    words = ["-s", "--http2", "--max-time", "10", "--cacert", str(chain), "-o", "/dev/null", "-w", "%{http_code} "]
    command = [tool("curl"), *words, url + first, "--next", *words, "-X", "POST", url + then]
    return subprocess.run(command, capture_output=True, text=True).stdout


def changes_are_sent_once(fleet: Fleet, begin: Callable[[list[str]], Balancer]) -> None:
    """Before masters that die once they have taken a request; so they are new for each case."""

    def doomed() -> tuple[str, Certificate, Callable[[str], int]]:
        masters = [fleet.keep(Doomed(answered=("/fine", "/ready", "/health"))) for _ in range(3)]
        balancer = begin([master.address for master in masters])
        trust = balancer.certificate.trust()
        until("it passes requests on", lambda: ask(f"{balancer.url}/fine", context=trust).status == 200)
        return balancer.url, balancer.certificate, lambda request: sum(master.taken[request] for master in masters)

    url, certificate, taken = doomed()
    trust = certificate.trust()
    for method, body in [("POST", {"a": 1}), ("POST", None), ("PATCH", {"a": 1})]:
        path = f"/api/v1/{method.lower()}-{'with' if body else 'without'}-a-body"
        answer = ask(url + path, method, body, context=trust)
        assert (answer.status, taken(f"{method} {path}")) == (502, 1), answer.text
        assert answer.json()["code"] == "no-answer"

    # The same over connections that were good once, on both sides.
    url, certificate, taken = doomed()
    trust = certificate.trust()
    line = connect(url, trust)
    for _ in range(4):
        line.request("GET", "/fine")
        assert line.getresponse().read() == b"ok\n"
    line.request("POST", "/api/v1/kept", body=b"{}", headers={"content-type": "application/json"})
    answered = line.getresponse()
    assert (answered.status, taken("POST /api/v1/kept")) == (502, 1), answered.read()
    line.close()
    # And by HTTP/2, with a client that sends again what it is told was refused.
    told = twice_by_http2(url, certificate.chain, "/fine", "/api/v1/streamed")
    assert (told, taken("POST /api/v1/streamed")) == ("200 502 ", 1)

    url, certificate, taken = doomed()
    trust = certificate.trust()
    for path in ["/stop", "/stats/reset"]:
        assert ask(url + path, context=trust).status == 502
        assert taken(f"GET {path}") == 1, "Locust's scripts change things so"

    # What changes nothing is repeated, so repetitions are seen where there are some.
    url, certificate, taken = doomed()
    assert ask(f"{url}/asked", context=certificate.trust()).status == 502
    assert taken("GET /asked") >= 3


def a_run_outlives_its_leader(site: Site, url: str, context: ssl.SSLContext) -> None:
    """A run is uploaded, started and followed through the balancer, and the leader is killed under it."""
    leader = site.leader()
    visitor = Visitor(url, context, READ, site.bearer)
    run = site.start(url, context, users=6, **{"run-time": "6s"})
    page = site.page_of(leader, url, context, run)
    until("the page has two seconds of the run", lambda: len(page.points) >= 2)
    leader.kill()
    the_page_goes_on(page)
    until("the page sees the end", lambda: page.doc["run"]["state"] == "finished", within=25)
    page.leave()
    visitor.leave()
    assert visitor.failures == [] and visitor.asked > 40
    the_page_saw_all(site, url, context, run, page)


def the_page_goes_on(page: Page) -> None:
    """At another master, after it was cut once."""
    refused, epoch = len(page.refused), page.epoch
    until("another master tells the page", lambda: len(page.epochs()) == 2)
    assert len(page.cuts) == refused + 1, (page.cuts, page.refused)
    first = next(kind for _, name, kind in page.events if not name.startswith(f"{epoch}-"))
    assert first == "snapshot", "ids of another master mean nothing"


def the_page_saw_all(site: Site, url: str, context: ssl.SSLContext, run: str, page: Page) -> None:
    """Each second as it came, but for the one cut, and what the shop served."""
    gaps = page.gaps()
    # Told once a second; some more when it comes back, of which one is the browser's pause.
    away = max(gaps)
    gaps.remove(away)
    assert away < 4 and max(gaps) < 1.9, page.gaps()
    assert sorted(page.points) == list(range(len(page.points))), "each second once, none missing"
    sent = site.result(url, context, run)
    assert sent == site.counted() and sum(sent.values()) > 30
    assert page.doc["run"]["total"]["requests"] == sum(sent.values())


def the_balancer_lives_without_masters(site: Site, url: str, context: ssl.SSLContext) -> None:
    """And says in the API's form what is wrong."""
    for master in site.masters:
        master.kill()
    gone = until("nobody answers", lambda: (told := ask(f"{url}/health", context=context)).status != 200 and told)
    assert gone.status in (502, 503) and gone.json()["hint"]
    assert ask(f"{url}/balancer-health", context=context).status == 200
