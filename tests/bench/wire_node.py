"""The peer node web-push for the benchmark `wire`, installed by npm into var/ at the versions of the lock file."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pushplatform.webpush.keys import KeyPair, b64url
from tests.bench.wire_peers import Subscription, Task, info

HERE = Path(__file__).parent / "node"
PLACE = Path(__file__).parents[2] / "var" / "bench" / "node"
INSTALL_S = 120


class Absent(Exception):
    """This peer cannot be measured here; says why."""


class NodeWebPush:
    """web-push with a keep-alive agent; `how`: `plain` signs each message as it does, `cached` is given its header."""

    def __init__(self, to: IO[str], answers: IO[str]) -> None:
        self._to, self._answers = to, answers

    def send(self, how: str, count: int) -> tuple[float, float]:
        """Seconds and CPU seconds that sending to the first `count` subscriptions took."""
        self._to.write(f"{how} {count}\n")
        self._to.flush()
        answer = self._answers.readline()
        if not answer:
            raise RuntimeError("node web-push ended: what it wrote stands above")
        result = json.loads(answer)
        return result["wall"], result["cpu"]


@contextmanager
def node_web_push(subscriptions: list[Subscription], task: Task) -> Iterator[NodeWebPush]:
    """A running sender for these subscriptions; raises Absent where node, npm or the packages are missing."""
    node = _installed()
    pair = KeyPair.generate()
    job = PLACE / "job.json"
    job.write_text(
        json.dumps(
            {
                "subscriptions": [info(one) for one in subscriptions],
                **{"payload": task.payload, "ttl": task.ttl, "subject": task.subject},
                **{"publicKey": b64url(pair.public_key), "privateKey": b64url(pair.private_key)},
            }
        )
    )
    command = [node, str(HERE / "send.mjs"), str(PLACE / "package.json"), str(job)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"NODE_EXTRA_CA_CERTS": task.ca_file}
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("node web-push has no pipes")
        try:
            yield NodeWebPush(process.stdin, process.stdout)
        finally:
            process.stdin.close()


def _installed() -> str:
    """The path of node, once the packages are there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Absent("node or npm is not installed")
    done = PLACE / "node_modules" / ".package-lock.json"
    lock = PLACE / "package-lock.json"
    if done.exists() and lock.exists() and lock.read_bytes() == (HERE / "package-lock.json").read_bytes():
        return node
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, PLACE / name)
    try:
        ran = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=PLACE,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise Absent(f"npm did not end within {INSTALL_S} s") from late
    if ran.returncode:
        raise Absent(f"npm could not install web-push: {ran.stderr.strip().splitlines()[-1:]}")
    return node
