"""P1: encrypt and send over TLS to a local sink, on one core; ours beside its peers, in interleaved rounds.

CPU per message is what counts: it is the sender's alone, and holds still when the machine is shared. Every sender
does the whole of its work for each message: another subscription, encryption, headers, the answer read and checked.
The senders share one core, the sink has the other.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from statistics import median
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from pushplatform.webpush.encryption import encrypt
from pushplatform.webpush.keys import KeyPair, b64url, new_private_key, parse_public_key
from pushplatform.webpush.outcome import Outcome, classify
from pushplatform.webpush.request import build_request, parse_endpoint
from pushplatform.webpush.transport import GATHERED, Transport
from pushplatform.webpush.vapid import VapidSigner
from tests.bench.sink import Sink, sink
from tests.bench.wire_node import Absent, NodeWebPush, node_web_push
from tests.bench.wire_peers import PywebpushAsync, PywebpushWithSession, Subscription, Task

ROUNDS = 7
MESSAGES = {"ours": 4000, "pywebpush": 400, "pywebpush_async": 1200, "node_web_push": 300, "node_cached": 900}
WARM_UP = 200
IN_FLIGHT = 200
TTL = 3600
SUBJECT = "mailto:push@shop.example"
PAYLOAD = json.dumps(
    {
        "web_push": 8030,
        "mutable": True,
        "notification": {
            "title": "Hello Anna, your basket is waiting",
            "body": "Two things you liked are still there, and one of them is now cheaper.",
            "navigate": "https://shop.example/c/abcdefghijklmnopqrstuvwxyz",
            "tag": "msg_abcdefghijklmnopqrstuvwxyz",
            "data": {"v": 1, "t": "x" * 48, "m": "msg_abcdefghijklmnopqrstuvwxyz"},
        },
    }
)

Figures = tuple[float, float]
"""Messages per second, and CPU µs per message."""


def run() -> dict[str, Any]:
    """Messages per second and CPU µs per message of each sender and of bare ECDH, medians of the rounds."""
    with ExitStack() as stack:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        stack.callback(_run_on, cores)
        _run_on(cores[1:])
        target = stack.enter_context(sink())
        _run_on(cores[:1])
        subscriptions = [
            (f"{target.base}/wpush/v2/{b64url(os.urandom(90))}", KeyPair.generate().public_key, os.urandom(16))
            for _ in range(max(MESSAGES.values()))
        ]
        senders = _senders(target, subscriptions, stack)
        for send in senders.values():
            send(WARM_UP)
        figures: dict[str, list[Figures]] = {name: [] for name in senders}
        floors = []
        for _ in range(ROUNDS):
            for name, send in senders.items():
                figures[name].append(send(MESSAGES[name]))
            floors.append((ecdh_cpu_us(), _openssl_ecdh_us()))
    return _result(figures, floors)


def _run_on(cores: list[int]) -> None:
    """This process, and what it starts from now on, only there; without effect where there is but one core."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def _senders(target: Sink, subscriptions: list[Subscription], stack: ExitStack) -> dict[str, Callable[[int], Figures]]:
    """Each sends to the first so many of the subscriptions."""
    task = Task(PAYLOAD, TTL, SUBJECT, target.ca_file)
    ours, plain, concurrent = Ours(target), PywebpushWithSession(task), PywebpushAsync(task)
    senders = {
        "ours": lambda count: measured(ours.send, subscriptions[:count]),
        "pywebpush": lambda count: measured(plain.send, subscriptions[:count]),
        "pywebpush_async": lambda count: measured(concurrent.send, subscriptions[:count]),
    }
    try:
        node = stack.enter_context(node_web_push(subscriptions[: MESSAGES["node_cached"]], task))
    except Absent as absent:
        print(f"wire: node web-push is not measured: {absent}", file=sys.stderr)
        return senders
    return senders | {
        "node_web_push": lambda count: _by_node(node, "plain", count),
        "node_cached": lambda count: _by_node(node, "cached", count),
    }


class Ours:
    """pushplatform.webpush, as the corridor uses it."""

    def __init__(self, target: Sink) -> None:
        self._transport = Transport(allow_loopback=True, ca_file=target.ca_file)
        self._signer = VapidSigner(KeyPair.generate().private_key, SUBJECT)
        self._accepted = 0

    def send(self, subscriptions: list[Subscription]) -> None:
        self._accepted = 0
        waiting = iter(subscriptions)
        while some := list(islice(waiting, min(GATHERED, IN_FLIGHT - self._transport.in_flight))):
            bodies = [
                encrypt(PAYLOAD.encode(), p256dh, auth, salt=os.urandom(16), private_key=new_private_key())
                for _, p256dh, auth in some
            ]
            for (url, _, _), body in zip(some, bodies, strict=True):
                endpoint = parse_endpoint(url, allow_loopback=True)
                token = self._signer.authorization(endpoint.origin, int(time.time()))
                request = build_request(endpoint, body, authorization=token, ttl=TTL, urgency="normal", topic=None)
                self._transport.submit(request, endpoint.service)
            self._collect(0 if self._transport.in_flight < IN_FLIGHT else 5)
        while self._transport.in_flight:
            self._collect(5)
        if self._accepted != len(subscriptions):
            raise RuntimeError(f"only {self._accepted} of {len(subscriptions)} were accepted")

    def _collect(self, timeout: float) -> None:
        for service, answer in self._transport.poll(timeout):
            self._accepted += classify(answer, service=service, now=time.time()).outcome is Outcome.ACCEPTED


def measured(send: Callable[[list[Subscription]], None], subscriptions: list[Subscription]) -> Figures:
    wall, cpu = time.perf_counter(), time.process_time()
    send(subscriptions)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return len(subscriptions) / wall, cpu / len(subscriptions) * 1e6


def _by_node(node: NodeWebPush, how: str, count: int) -> Figures:
    wall, cpu = node.send(how, count)
    return count / wall, cpu / count * 1e6


def ecdh_cpu_us(times: int = 1000) -> float:
    """CPU µs of one bare ECDH on P-256, which no sender can do without (RFC 8291 §3.1)."""
    key, other, method = new_private_key(), parse_public_key(KeyPair.generate().public_key), ec.ECDH()
    cpu = time.process_time()
    for _ in range(times):
        key.exchange(method, other)
    return (time.process_time() - cpu) / times * 1e6


def _openssl_ecdh_us() -> float | None:
    """The same as `openssl speed ecdhp256` gives it; None without the program."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    command = [openssl, "speed", "-mr", "-seconds", "1", "ecdhp256"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rates = [float(line.split(":")[3]) for line in lines if line.startswith("+F5:")]
    return 1e6 / rates[0] if rates else None


def _result(figures: dict[str, list[Figures]], floors: list[tuple[float, float | None]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, rounds in figures.items():
        result[f"{name}_msg_s"] = round(median(rate for rate, _ in rounds), 1)
        result[f"{name}_cpu_us"] = round(median(cpu for _, cpu in rounds), 1)
    by_openssl = [speed for _, speed in floors if speed is not None]
    result["ecdh_cpu_us"] = round(median(ours for ours, _ in floors), 1)
    result["floor_msg_s"] = round(1e6 / median(by_openssl or [ours for ours, _ in floors]), 1)
    cost = [cpu for _, cpu in figures["ours"]]
    peers = {name: [cpu for _, cpu in rounds] for name, rounds in figures.items() if name != "ours"}
    result["ratios"] = {
        f"vs_{name}": round(median(peer / own for peer, own in zip(rounds, cost, strict=True)), 2)
        for name, rounds in peers.items()
    }
    result["ratios"]["vs_floor"] = round(1e6 / median(cost) / result["floor_msg_s"], 3)
    return result
