"""P5: how many recipients a second one web process accepts over POST /api/v1/messages, 100 in a call.

The yardstick is naive_api.py in a web process of its own over the same database: plain serializers and one ORM query
for each recipient. The two take turns. Nothing is sent: the call answers before that. BENCH_SECONDS of each turn,
else 5.
"""

import http.client
import itertools
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles
from typing import Any

from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import ApiClient
from tests.bench.processes import cpu_seconds, tree
from tests.bench.stage import DEFAULTS, stage
from tests.parts.many_devices import add_crowd
from tests.parts.stack import Stack

ON_STAGE = True
PEOPLE = 50_000
IN_A_CALL = 100
CALLERS = 4
ROUNDS = 3
TIMED_CALLS = 200
WARMING = 20
UNLIMITED = {"API_UNITS_PER_MINUTE": "1000000000"}
_serial = itertools.count()


def run() -> dict[str, Any]:
    """Recipients a second with 4 callers at once; milliseconds of a call where calls come one after another."""
    seconds = float(os.environ.get("BENCH_SECONDS") or 5)
    with stage(**UNLIMITED) as house:
        site = add_crowd(house.sink.base, PEOPLE).site
        client = ApiClient.objects.create(site=site, name="CRM", scopes=["messages:send"])
        key = make_key(client).text
        stack, settings = house.stack, {"DJANGO_SETTINGS_MODULE": "tests.bench.naive_settings"}
        naive = Stack(
            stack.folder.with_name("naive"), stack.env["DATABASE_URL"], stack.env["CELERY_BROKER_URL"],
            DEFAULTS | UNLIMITED | settings,
        )  # fmt: skip
        try:
            stack.start(web=True)
            naive.start(web=True)
            ours, theirs = Side(stack, key), Side(naive, key)
            for side in (ours, theirs):
                side.call_one_after_another(WARMING)
            for _ in range(ROUNDS):
                for side in (ours, theirs):
                    side.call_at_once(seconds)
            times = ours.call_one_after_another(TIMED_CALLS)
            naive_times = theirs.call_one_after_another(TIMED_CALLS // 4)
        finally:
            naive.stop()
    return {
        "recipients_s": round(median(ours.rates)),
        "naive_recipients_s": round(median(theirs.rates)),
        "post_p50_ms": _percentile(times, 50),
        "post_p99_ms": _percentile(times, 99),
        "naive_post_p50_ms": _percentile(naive_times, 50),
        "web_cpu_us_per_recipient": round(ours.cpu_us(), 1),
        "naive_web_cpu_us_per_recipient": round(theirs.cpu_us(), 1),
        "ratios": {"vs_naive": round(median(o / t for o, t in zip(ours.rates, theirs.rates, strict=True)), 2)},
    }


class Side:
    """One web process and what it was measured at."""

    def __init__(self, stack: Stack, key: str):
        self._stack = stack
        self._key = key
        self._web = stack.children["web"].pid
        self.rates: list[float] = []
        self._cpu_s = 0.0
        self._recipients = 0

    def call_at_once(self, seconds: float) -> None:
        """Several callers, each over a connection of its own, for so long."""
        end, before, began = time.monotonic() + seconds, cpu_seconds(tree(self._web)), time.monotonic()
        start = threading.Barrier(CALLERS)

        def call() -> int:
            caller, calls = Caller(self._stack.web_port, self._key), 0
            start.wait()
            while time.monotonic() < end:
                caller.send()
                calls += 1
            return calls

        with ThreadPoolExecutor(CALLERS) as pool:
            recipients = IN_A_CALL * sum(one.result() for one in [pool.submit(call) for _ in range(CALLERS)])
        self.rates.append(recipients / (time.monotonic() - began))
        self._cpu_s += cpu_seconds(tree(self._web)) - before
        self._recipients += recipients

    def call_one_after_another(self, calls: int) -> list[float]:
        """Milliseconds of each."""
        caller, times = Caller(self._stack.web_port, self._key), []
        for _ in range(calls):
            began = time.perf_counter()
            caller.send()
            times.append((time.perf_counter() - began) * 1000)
        return times

    def cpu_us(self) -> float:
        """Of the web process, for each recipient."""
        return self._cpu_s * 1e6 / self._recipients


class Caller:
    """A CRM: a different hundred of people in each call."""

    def __init__(self, port: int, key: str):
        self._http = http.client.HTTPConnection("localhost", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def send(self) -> None:
        serial = next(_serial)
        first = serial * IN_A_CALL
        body = {
            "recipients": [
                {"external_id": f"CRM-{number % PEOPLE}", "params": {"order": str(number)}}
                for number in range(first, first + IN_A_CALL)
            ],
            "purpose": "offers",
            "content": {
                "title": "Order {{ params.order }}",
                "body": "It is on its way.",
                "url": "https://shop.example/o",
            },
            "correlation_id": f"run-{serial}",
        }
        headers = self._headers | {"Idempotency-Key": f"bench-{serial}"}
        self._http.request("POST", "/api/v1/messages", json.dumps(body), headers)
        answer = self._http.getresponse()
        said = answer.read()
        if answer.status != 202 or json.loads(said)["devices_queued"] != IN_A_CALL:
            raise RuntimeError(f"POST /messages answered {answer.status}: {said[:500]!r}")


def _percentile(values: list[float], percent: int) -> float:
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 1)
