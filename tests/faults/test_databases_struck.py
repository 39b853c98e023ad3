"""PostgreSQL ends, refuses, cuts connections or has no room, in the middle of a campaign."""

import os
import signal
import time
from contextlib import ExitStack, closing, contextmanager, suppress

import psycopg
import pytest
from django.db import connection as own

from tests.bench.processes import tree
from tests.faults.own_server import own_server
from tests.faults.running import HELD_FROM, UNRECORDED, begin_running
from tests.localpush.conftest import eventually
from tests.parts import database
from tests.parts.ports import free_port
from tests.parts.stack import Stack

DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}  # what tests spare otherwise


@contextmanager
def administration(database_url):
    """A connection that is no session of the database itself, and the database's name."""
    server, _, name = database_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        yield connection, name


def cut_connections(connection, name):
    connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])


@pytest.mark.soak
def test_cut_connections_cost_nothing(begin_run, fresh_database):
    run = begin_run(3_000, env={"PUSH_BATCH_SIZE": "500"}, broker="redis")
    run.launch()
    with administration(fresh_database) as (connection, name):
        for part in (0.1, 0.4):
            run.sent(part)
            own.close()
            cut_connections(connection, name)
    assert run.check(struck=1)["doubled"] == 0


@pytest.mark.parametrize("broker", ["pgmq", pytest.param("redis", marks=pytest.mark.soak)])
def test_a_database_that_is_away_for_a_while_is_waited_for(begin_run, fresh_database, broker):
    run = begin_run(3_000, env={"PUSH_BATCH_SIZE": "500"}, broker=broker)
    run.launch()
    run.sent(0.2)
    own.close()
    with administration(fresh_database) as (connection, name):
        connection.execute(f'alter database "{name}" allow_connections false')
        cut_connections(connection, name)
        eventually(lambda: "outcomes cannot be recorded" in run.stack.log("worker"))
        time.sleep(1.5)  # so that it is tried again and again
        connection.execute(f'alter database "{name}" allow_connections true')
    assert run.check(struck=1)["doubled"] == 0
    assert "outcomes are recorded again" in run.stack.log("worker")


def test_a_worker_that_could_not_acknowledge_a_task_takes_the_next_one(begin_run, fresh_database):
    """With pgmq the acknowledgement goes to the database too; the worker takes one at a time."""
    run = begin_run(100, broker="pgmq")

    def received():
        return run.stack.log("worker").count(" received")

    own.close()
    with administration(fresh_database) as (connection, name):
        with closing(psycopg.connect(fresh_database)) as holding:
            holding.execute("lock table batch in access exclusive mode")
            waiting = "select 1 from pg_stat_activity where datname = %s and wait_event_type = 'Lock'"
            eventually(lambda: connection.execute(waiting, [name]).fetchone())
            taken = received()
            eventually(lambda: received() > taken)  # the next task is with the worker, and acknowledged when it begins
            connection.execute(f'alter database "{name}" allow_connections false')
            cut_connections(connection, name)
        eventually(lambda: "Couldn't ack" in run.stack.log("worker"))
        connection.execute(f'alter database "{name}" allow_connections true')
    run.launch()
    run.check(struck=0)


@pytest.fixture
def begin_elsewhere(begin_service):
    """`begin_elsewhere(server, devices, broker_url, env={…})`: a campaign over a server of the test's own."""
    with ExitStack() as ends:

        def begin(server, devices, broker_url, *, env, held_from=HELD_FROM):
            folder = database.run_folder() / f"own-stack-{free_port()}"

            def stack(*, env, **parts):
                stack = Stack(folder, server.url_of_ours, broker_url, env)
                ends.callback(stack.stop)
                return stack.start(**parts)

            service = begin_service(delay_ms=100, hold_after=int(devices * held_from))
            return begin_running(stack, service, devices, env=env)

        yield begin


@pytest.mark.soak
@pytest.mark.parametrize("how", ["restarted", "crashed"])
def test_a_server_that_ends_in_the_middle_is_waited_for(begin_elsewhere, redis_url, django_db_blocker, how):
    with django_db_blocker.unblock(), own_server(DURABLE) as server:
        run = begin_elsewhere(server, 4_000, redis_url, env={"PUSH_BATCH_SIZE": "500"})
        run.launch()
        for part in (0.1, 0.5):
            run.sent(part)
            own.close()
            server.crash() if how == "crashed" else server.stop()
            time.sleep(1.0)
            server.start()
        assert run.check(struck=1)["doubled"] == 0
        run.stack.stop()


@pytest.mark.soak
def test_a_server_without_a_connection_left_is_waited_for(begin_elsewhere, redis_url, django_db_blocker):
    with django_db_blocker.unblock(), own_server({"max_connections": "12"}) as server, ExitStack() as hogs:
        run = begin_elsewhere(server, 4_000, redis_url, env={"PUSH_BATCH_SIZE": "500"})
        run.launch()
        run.sent(0.1)
        own.close()
        [sending] = tree(run.stack.children["worker"].pid)[1:]
        os.kill(sending, signal.SIGKILL)  # its successor needs a connection, and finds none
        with suppress(psycopg.OperationalError):
            while True:
                hogs.enter_context(psycopg.connect(server.url(), autocommit=True))
        eventually(lambda: "too many clients" in run.stack.log("worker"))
        hogs.close()
        run.check(struck=1)
        run.stack.stop()


@pytest.mark.soak
def test_a_full_disk_stops_sending_and_nothing_is_sent_twice_when_there_is_room_again(
    begin_elsewhere, redis_url, django_db_blocker
):
    with django_db_blocker.unblock(), own_server({}, small_disk=64) as server:
        run = begin_elsewhere(server, 8_000, redis_url, env={"PUSH_BATCH_SIZE": "500"}, held_from=0.1)
        run.launch()
        run.sent(0.05)
        server.fill_disk()
        run.service.release()
        eventually(lambda: "DiskFull" in run.stack.log("worker"))
        before = run.service.notes()["posts"]
        time.sleep(5)  # several leases and sweeps
        assert run.service.notes()["posts"] <= before + UNRECORDED
        server.free_disk()
        assert run.check(struck=0)["doubled"] == 0
        run.stack.stop()
