"""Makes the tables that Celery's broker inside PostgreSQL needs."""

import psycopg
from pgmq.install import install_pgmq_from_sql


def install_pgmq(conninfo: str) -> bool:
    """Makes the schema `pgmq` in that database unless it is there; whether it was made."""
    with psycopg.connect(conninfo) as connection:
        # One at a time: the script itself does not bear being run twice.
        connection.execute("select pg_advisory_xact_lock(hashtext('pgmq'))")
        if connection.execute("select to_regnamespace('pgmq')").fetchone() != (None,):
            return False
        install_pgmq_from_sql(conn=connection)
    return True
