"""The privacy journal: what is in the file, and what happens when it cannot be written."""

import json
import logging
import resource
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from pushplatform.sites.models import Site
from subscribers import forgetting, journal, ledger, person, upserting
from subscribers.ledger import Decided
from subscribers.models import Contact, Decision, JournalLine, Scope
from tests.subscribers.browsers import Browser
from tests.subscribers.people import new_contact, new_site, wording_of


@pytest.fixture
def shop(module_database: str) -> Site:
    return new_site()


@pytest.fixture
def folder(settings: Any, tmp_path: Path, shop: Site) -> Iterator[Path]:
    settings.PRIVACY_JOURNAL = str(tmp_path / "journal")
    yield tmp_path / "journal"
    JournalLine.objects.all().delete()


def decide(subject: Contact, decision: Decision = Decision.WITHDRAWN, key: str = "offers") -> None:
    purpose = subject.site.purposes.get(key=key)
    decided = Decided(
        site_id=subject.site_id,
        scope=Scope.CONTACT,
        subject_id=subject.pk,
        purpose_id=purpose.pk,
        decision=decision,
        source="test",
        wording_id=wording_of(purpose).pk,
        evidence={"told": "Quetzalcoatl"},
    )
    ledger.record([decided], timezone.now())


def lines(folder: Path) -> list[Any]:
    return [(one["act"], one.get("scope")) for one in journal.read(folder)]


def erase(contact: Contact) -> None:
    with transaction.atomic():
        forgetting.forget(person.lock(contact.site_id, contact.external_id)[contact.external_id], timezone.now())


def test_withdrawals_and_erasures_are_in_the_file_and_grants_are_not(folder: Path, shop: Site) -> None:
    contact = new_contact(shop, external_id="Quetzalcoatl", attributes={"name": "Quetzalcoatl"})
    decide(contact, Decision.GRANTED)
    decide(contact)
    browser = Browser(shop)
    browser.register({"offers": "granted", "measurement": "withdrawn"})
    browser.act("POST", "consents", consents=browser.decisions({"offers": "withdrawn"}))
    erase(contact)
    upserting.upsert(shop, "Quetzalcoatl", recreate=True)
    assert lines(folder) == [
        ("withdrawn", 2), ("withdrawn", 1), ("withdrawn", 1), ("erased", None), ("recreated", None),
    ]  # fmt: skip
    (file,) = folder.iterdir()
    assert "Quetzalcoatl" not in file.read_text()
    assert file.stat().st_mode & 0o077 == folder.stat().st_mode & 0o077 == 0
    assert not JournalLine.objects.exists()


def test_an_act_that_is_rolled_back_leaves_no_line(folder: Path, shop: Site) -> None:
    with transaction.atomic():
        decide(new_contact(shop))
        transaction.set_rollback(True)
    assert not folder.exists()
    assert not JournalLine.objects.exists()


def test_with_a_full_disk_the_act_stands_and_its_line_waits(
    folder: Path, shop: Site, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir()
    # This month's file, and the next one's when it begins in this hour.
    for month in {f"{timezone.now() + ahead:%Y-%m}" for ahead in (timedelta(), timedelta(hours=1))}:
        (folder / f"{month}.jsonl").symlink_to("/dev/full")
    contact = new_contact(shop)
    with caplog.at_level(logging.ERROR):
        decide(contact)
    assert ledger.state(Scope.CONTACT, contact.pk) == {"offers": "withdrawn"}
    assert "No space left on device" in caplog.text
    assert JournalLine.objects.count() == 1
    assert journal.flush() == 0
    for full in folder.iterdir():
        full.unlink()
    assert journal.flush() == 1
    assert lines(folder) == [("withdrawn", 2)]
    assert not JournalLine.objects.exists()


def test_half_a_line_is_taken_back(folder: Path) -> None:
    journal.append(folder, ['{"id": "1", "at": "2026-01-01T00:00:00+00:00", "act": "erased"}'])
    (file,) = folder.iterdir()
    before = file.read_bytes()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.append(folder, ["x" * 100])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read_bytes() == before


def test_a_torn_line_harms_no_other(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    line = {"id": "1", "at": "2026-01-01T00:00:00+00:00", "act": "erased"}
    journal.append(folder, [json.dumps(line)])
    (file,) = folder.iterdir()
    file.write_text(file.read_text() + '{"id": "2", "at')
    journal.append(folder, [json.dumps(line | {"id": "3"}), json.dumps(line)])
    assert [one["id"] for one in journal.read(folder)] == ["1", "3"]
    assert "line 2 cannot be read" in caplog.text


def test_where_it_is_off_nothing_waits(settings: Any, shop: Site) -> None:
    settings.PRIVACY_JOURNAL = "off"
    decide(new_contact(shop))
    assert not JournalLine.objects.exists()
