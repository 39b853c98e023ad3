"""`manage.py after_restore`: the first thing to do with a database that was restored from a backup."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from campaigns.restoring import after_restore
from subscribers import journal


class Command(BaseCommand):
    help = (
        "After a backup was restored, and before workers and the web process start: erases and withdraws again what "
        "people asked for since, as the privacy journal says, and cancels what was being sent. Twice is harmless."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--journal", help="The folder of the journal, where it is not that of PRIVACY_JOURNAL.")

    def handle(self, *args: Any, **options: Any) -> None:
        given = options["journal"] or settings.PRIVACY_JOURNAL
        if given == journal.OFF:
            raise CommandError("PRIVACY_JOURNAL is off. Name the folder of the journal with --journal.")
        folder = Path(given)
        if not any(folder.glob("*.jsonl")):
            raise CommandError(
                f"There is no journal in {folder}. Without it people's later wishes are lost: look for it, or make the "
                "folder with an empty file none.jsonl in it to go on without."
            )
        done = after_restore(folder, timezone.now())
        self.stdout.write(f"paused while the journal was read: {len(done.paused)} messages")
        self.stdout.write(f"erased again: {done.erased}")
        self.stdout.write(f"withdrawn again: {done.withdrawn}")
        self.stdout.write(f"cancelled, because most of it was sent already: {len(done.cancelled)} messages")
        self.stdout.write(f"made drafts again, because their time has passed: {len(done.unscheduled)} campaigns")
        if done.unknown:
            self.stdout.write(
                f"lines about people or browsers that the backup does not have: {done.unknown}. They have to be told "
                "again by whoever brings these people back"
            )
