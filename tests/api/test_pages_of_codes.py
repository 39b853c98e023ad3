"""docs/api/reasons.md and docs/api/statuses.md say what the code does."""

from pathlib import Path

from campaigns.delivery_status import Status
from campaigns.management.commands.reasons_page import RESERVED, reasons_page
from campaigns.management.commands.statuses_page import statuses_page
from pushplatform.webpush.outcome import REASONS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api"


def test_the_pages_are_up_to_date() -> None:
    assert (DOCS / "reasons.md").read_text() == reasons_page(), "run: make docs"
    assert (DOCS / "statuses.md").read_text() == statuses_page(), "run: make docs"


def test_every_reason_and_every_status_is_explained_once() -> None:
    reasons, statuses = reasons_page(), statuses_page()
    assert all(reasons.count(f"\n| `{code}` |") == 1 for code in REASONS)
    assert all(f"| `{status}` |" in statuses for status in Status)
    assert set(RESERVED) < set(REASONS)


def test_every_reason_that_is_given_has_a_test() -> None:
    tests = "".join(path.read_text() for path in (DOCS.parents[1] / "tests" / "campaigns").glob("test_*.py"))
    assert [code for code in REASONS if code not in RESERVED and f'"{code}"' not in tests] == []
