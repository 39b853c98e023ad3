"""SQL that migrations of more than one app use."""


def partitioned(table: str, key: str) -> str:
    """Turns the still empty `table` into one partitioned by ranges of `key`, with its columns, defaults and keys."""
    return (
        f"alter table {table} rename to {table}_plain;"
        f"create table {table} (like {table}_plain including defaults including constraints including indexes)"
        f" partition by range ({key});"
        f"drop table {table}_plain;"
    )
