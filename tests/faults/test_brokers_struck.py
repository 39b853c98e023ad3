"""The broker loses everything, goes away or stays silent: it only carries pokes, so this costs time, nothing else."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import psycopg
import pytest
import redis
from kombu import Connection

from tests.demo.test_brokers import health
from tests.localpush.conftest import eventually
from tests.parts import brokers, database
from tests.parts.ports import free_port


def lose_all_messages(url, database_url):
    """Takes every message out of the broker at once, as an operator's FLUSHALL or purge does."""
    if url.startswith("pgmq"):
        with psycopg.connect(database_url, autocommit=True) as connection:
            for (queue,) in connection.execute("select queue_name from pgmq.list_queues()").fetchall():
                connection.execute("select pgmq.purge_queue(%s)", [queue])
    elif url.startswith("redis"):
        redis.Redis.from_url(url).flushall()
    else:
        with Connection(url) as connection:
            for queue in ("campaign", "chores"):
                connection.default_channel.queue_purge(queue)


@pytest.mark.parametrize(
    "broker", ["pgmq", pytest.param("redis", marks=pytest.mark.soak), pytest.param("rabbitmq", marks=pytest.mark.soak)]
)
def test_when_the_broker_loses_all_messages_the_sweep_pokes_again(begin_run, fresh_database, broker):
    run = begin_run(3_000, broker=broker, env={"PUSH_BATCH_SIZE": "200"})
    run.launch()
    for part in (0.1, 0.4):
        run.sent(part)
        lose_all_messages(run.stack.env["CELERY_BROKER_URL"], fresh_database)
    assert run.check(struck=0)["doubled"] == 0


@pytest.mark.soak
def test_a_queue_that_is_deleted_is_made_anew(begin_run):
    run = begin_run(3_000, broker="rabbitmq", env={"PUSH_BATCH_SIZE": "200"})
    run.launch()
    run.sent(0.2)
    brokers.empty(run.stack.env["CELERY_BROKER_URL"])
    run.check(struck=0)


@pytest.mark.parametrize("kind", ["redis", pytest.param("rabbitmq", marks=pytest.mark.soak)])
def test_a_broker_that_goes_away_and_comes_back_empty_is_taken_up_again(begin_run, kind):
    server = {"redis": brokers.redis_server, "rabbitmq": brokers.rabbitmq_server}[kind]
    port, folder = free_port(), database.run_folder()
    with ExitStack() as first:
        url = first.enter_context(server(folder / f"{kind}-first-{port}", port))
        run = begin_run(3_000, env={"PUSH_BATCH_SIZE": "200", "CELERY_BROKER_URL": url})
        run.launch()
        run.sent(0.2)
    with server(folder / f"{kind}-second-{port}", port):
        assert run.check(struck=0)["doubled"] == 0
        assert run.stack.children["worker"].running
        assert run.stack.children["beat"].running
        run.stack.stop()


@pytest.mark.soak
def test_a_redis_that_is_full_stops_nothing_for_good(begin_run):
    run = begin_run(3_000, broker="redis", env={"PUSH_BATCH_SIZE": "200"})
    broker = redis.Redis.from_url(run.stack.env["CELERY_BROKER_URL"])
    broker.config_set("maxmemory", "1")
    try:
        run.launch()
        eventually(lambda: "OutOfMemory" in run.stack.log("beat") or "maxmemory" in run.stack.log("beat"))
    finally:
        broker.config_set("maxmemory", "0")
    assert run.check(struck=0)["doubled"] == 0


@pytest.mark.soak
def test_a_redis_that_is_frozen_for_a_while_holds_nobody(begin_run):
    run = begin_run(3_000, broker="redis", env={"PUSH_BATCH_SIZE": "200"})
    frozen = redis.Redis.from_url(run.stack.env["CELERY_BROKER_URL"]).info("server")["process_id"]
    run.launch()
    run.sent(0.1)
    os.kill(frozen, signal.SIGSTOP)
    try:
        eventually(lambda: "Timeout" in run.stack.log("worker") + run.stack.log("beat"))
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert run.check(struck=0)["doubled"] == 0


POKE = """
import pushplatform.celery, django
django.setup()
from campaigns.tasks import freeze_message
for number in range(50):
    freeze_message.poke(number)
print("went on")
"""


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("silent", [True, False], ids=["silent", "away"])
def test_who_pokes_goes_on_though_no_broker_answers(scheme, silent):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if silent:
            listener.listen(128)  # connections are taken, nothing is ever said
        env = {**os.environ, "CELERY_BROKER_URL": f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"}
        done = subprocess.run(
            [sys.executable, "-c", POKE], env=env, capture_output=True, text=True, timeout=300, check=True
        )
    assert "went on" in done.stdout
    assert "broker unreachable" in done.stderr


@pytest.mark.soak
def test_the_web_process_comes_up_without_a_broker_and_finds_it_later(begin_stack):
    port = free_port()
    stack = begin_stack(env={"CELERY_BROKER_URL": f"redis://127.0.0.1:{port}"})
    web = stack.programs.web(stack.web_port, broker=False)
    stack.children["web"] = web
    web.start()
    eventually(lambda: web.ready(web))
    assert health(stack) == (200, {"database": True, "broker": False})
    with brokers.redis_server(database.run_folder() / f"redis-late-{port}", port):
        eventually(lambda: health(stack) == (200, {"database": True, "broker": True}))


@pytest.mark.soak
def test_two_beats_at_once_send_nothing_twice(begin_run):
    # A process may stand still for longer than the usual lease of tests: another would take its Batch.
    run = begin_run(3_000, env={"PUSH_BATCH_SIZE": "200", "PUSH_LEASE_SECONDS": "60"}, processes=2)
    other = run.stack.programs.beat()
    other.command[other.command.index("--schedule") + 1] += "-2"
    run.stack.children["other beat"] = other
    other.start()
    run.launch()
    assert run.check(struck=0)["doubled"] == 0
