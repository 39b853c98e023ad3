from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from pushplatform.sites import public_ids
from subscribers import reconciling
from subscribers.models import Purpose, Scope


class Command(BaseCommand):
    help = (
        "Works out again from the consent ledger what every device may be sent, and prints what is stored otherwise. "
        "There should be nothing; with differences it ends with status 1, unless --repair mends them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="Write what the ledger says.")
        parser.add_argument("--show", type=int, default=100, help="How many differences are printed.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = reconciling.differences()
        for line in _lines(found)[: options["show"]]:
            self.stdout.write(line)
        if not found:
            self.stdout.write("No differences: everything stored is what the ledger says.")
        elif options["repair"]:
            reconciling.repair(timezone.now())
            self.stdout.write(f"Repaired {len(found)} differences.")
        else:
            raise CommandError(f"{len(found)} differences. `reconcile_consents --repair` writes what the ledger says.")


def _lines(found: reconciling.Differences) -> list[str]:
    keys = dict(Purpose.objects.values_list("id", "key"))
    lines = [
        f"{Scope(scope).name.lower()} {subject}: the newest decision about {keys.get(purpose, purpose)} is another one"
        for scope, subject, purpose in found.states
    ]
    lines += [f"device {_id(device)}: linked to a CRM id without a yes that stands" for device in found.links]
    lines += [
        f"device {_id(device)}: allowed is {stored:b}, the ledger says {worked:b}"
        for device, stored, worked in found.allowed
    ]
    return lines


def _id(device: int) -> str:
    return f"{device} ({public_ids.encode('dev', device)})"
