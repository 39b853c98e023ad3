"""P4, P4b: from POST /api/v1/messages to the push on the wire, on an idle platform and while a large campaign runs.

Calls come one after another, each to one person; the sink notes when its push arrives. The campaign, of another Site,
goes to a million devices, or BENCH_N.
"""

import http.client
import json
import os
import time
from statistics import quantiles
from typing import Any

from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import ApiClient
from tests.bench.campaigning import launch_to
from tests.bench.sink import Sink
from tests.bench.stage import devices_wanted, stage
from tests.parts.many_devices import Crowd, add_crowd

ON_STAGE = True
WARMING = 30
IDLE_CALLS = 300
BUSY_CALLS = 600
GAP_S = 0.03
PATIENCE_S = 60.0


def run() -> dict[str, Any]:
    """Milliseconds; of `busy` the campaign was under way during all calls."""
    with stage() as house:
        people = add_crowd(house.sink.base, WARMING + IDLE_CALLS + BUSY_CALLS, folder="timed")
        crowd = add_crowd(house.sink.base, devices_wanted(), folder="counted")
        house.stack.start(web=True, worker=True, targeted=True, beat=True, processes=os.cpu_count() or 1)
        crm = Crm(house.stack.web_port, people)
        for number in range(WARMING):
            crm.send_to(number)
        _seconds(house.sink, dict.fromkeys(range(WARMING), 0.0))
        idle = {number: crm.send_to(number) for number in range(WARMING, WARMING + IDLE_CALLS)}
        idle_ms = _seconds(house.sink, idle)
        launched, busy = launch_to(crowd), {}
        while house.sink.notes()["posts"] == 0:
            time.sleep(0.05)
        for number in range(WARMING + IDLE_CALLS, people.size):
            busy[number] = crm.send_to(number)
            if len(busy) % 20 == 0 and launched.finished_at():
                break
        busy_ms = _seconds(house.sink, busy)
        done = launched.done()
    return {
        "idle_calls": len(idle_ms),
        "idle_p50_ms": _percentile(idle_ms, 50),
        "idle_p99_ms": _percentile(idle_ms, 99),
        "idle_max_ms": _percentile(idle_ms, 100),
        "busy_calls": len(busy_ms),
        "busy_p50_ms": _percentile(busy_ms, 50),
        "busy_p99_ms": _percentile(busy_ms, 99),
        "busy_max_ms": _percentile(busy_ms, 100),
        "campaign_devices_done": done,
        "ratios": {"busy_p99_vs_idle_p99": round(_percentile(busy_ms, 99) / _percentile(idle_ms, 99), 2)},
    }


class Crm:
    """Calls the API over one connection, as a CRM does."""

    def __init__(self, port: int, people: Crowd):
        client = ApiClient.objects.create(site=people.site, name="CRM", scopes=["messages:send"])
        self._key = make_key(client).text
        self._http = http.client.HTTPConnection("localhost", port, timeout=30)

    def send_to(self, number: int) -> float:
        """Asks for a push to the person of that number; when it was asked, Unix seconds."""
        time.sleep(GAP_S)
        body = {
            "recipients": [{"external_id": f"CRM-{number}", "params": {"order": str(number)}}],
            "purpose": "offers",
            "content": {
                "title": "Order {{ params.order }}",
                "body": "It is on its way.",
                "url": "https://shop.example/o",
            },
        }
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"order-{number}",
        }
        at = time.time()
        self._http.request("POST", "/api/v1/messages", json.dumps(body), headers)
        answer = self._http.getresponse()
        said = answer.read()
        if answer.status != 202 or json.loads(said)["devices_queued"] != 1:
            raise RuntimeError(f"POST /messages answered {answer.status}: {said[:500]!r}")
        return at


def _seconds(target: Sink, asked: dict[int, float]) -> list[float]:
    """Milliseconds from the call to the first push for each of these, once all have come."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        arrived: dict[int, float] = {}
        for number, at in target.notes()["timed"]:
            arrived.setdefault(number, at)
        if asked.keys() <= arrived.keys():
            return [(arrived[number] - at) * 1000 for number, at in asked.items()]
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(asked.keys() - arrived.keys())} of {len(asked)} pushes never came")
        time.sleep(0.2)


def _percentile(values: list[float], percent: int) -> float:
    if percent == 100:
        return round(max(values), 1)
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 1)
