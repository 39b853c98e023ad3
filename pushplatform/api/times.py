"""Times as the API writes them."""

from datetime import UTC, datetime


def rfc3339(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds; None stays None."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
