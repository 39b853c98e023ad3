"""docs/answers.md says what the code does."""

from pathlib import Path

from campaigns.management.commands.answers_page import answers_page
from pushplatform.webpush.outcome import ERRORS, REASONS, RULES

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_answers_is_up_to_date():
    assert (ROOT / "docs" / "answers.md").read_text() == answers_page(), "run: make docs"


def test_the_page_has_every_rule_error_and_reason_and_the_words_that_are_looked_for():
    page = answers_page()
    assert all(rule.why in page for rule in RULES)
    assert all(f"`{code}`" in page for code in (*ERRORS, *REASONS))
    for words in ("VapidPkHashMismatch", "do not correspond", "UnauthorizedRegistration"):
        assert f"“{words}”" in page
