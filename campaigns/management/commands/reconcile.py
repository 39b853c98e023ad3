from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from campaigns import reconciling
from campaigns.models import Campaign, Message
from campaigns.reconciling import Difference, FactsGone, Scope
from pushplatform.sites import public_ids


class Command(BaseCommand):
    help = (
        "Works out the counters of a message, and of its campaign, again from the facts, and prints those that differ. "
        "There should be none; with differences it ends with status 1, unless --repair mends them all. "
        "It may run while the message is being sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "message", nargs="?", help="The message's public id, msg_…, or its number, as logs have it."
        )
        parser.add_argument(
            "--campaign", help="A campaign instead: cmp_…, or its number, as logs and the admin's addresses have it."
        )
        parser.add_argument("--repair", action="store_true", help="Write what the facts say.")

    def handle(self, *args: Any, **options: Any) -> None:
        scope = _scope(options["message"], options["campaign"])
        try:
            found = reconciling.repair(scope, timezone.now()) if options["repair"] else reconciling.differences(scope)
        except FactsGone:
            raise CommandError(
                "Its deliveries are too old and no longer kept; the counters are all there is."
            ) from None
        if not found:
            self.stdout.write("No differences: every counter is what the facts say.")
            return
        for line in _table(found):
            self.stdout.write(line)
        left = [one for one in found if not one.repairable] if options["repair"] else found
        if options["repair"]:
            self.stdout.write(f"Repaired {len(found) - len(left)} differences.")
        if any(not one.repairable for one in left):
            self.stdout.write("Not to be repaired (*): the facts do not tell what should stand there.")
        if left:
            hint = "" if options["repair"] else " `reconcile --repair` writes what the facts say."
            raise CommandError(f"{len(left)} differences.{hint}")


def _scope(message: str | None, campaign: str | None) -> Scope:
    if (message is None) == (campaign is None):
        raise CommandError("Name either a message (msg_…) or a campaign (--campaign cmp_…).")
    try:
        if message is not None:
            return reconciling.scope_of_message(_number("msg", message))
        found = Campaign.objects.get(pk=_number("cmp", campaign or ""))
    except (public_ids.UnknownId, Message.DoesNotExist, Campaign.DoesNotExist):
        given, kind = (message, "message") if message is not None else (campaign, "campaign")
        raise CommandError(f"There is no {kind} {given}. Its id begins with {'msg_' if message else 'cmp_'}.") from None
    return reconciling.scope_of_campaign(found.pk)


def _number(kind: str, given: str) -> int:
    """The row's number, from a public id or as it is."""
    return int(given) if given.isdecimal() and len(given) < 19 else public_ids.decode(kind, given)


def _table(found: list[Difference]) -> list[str]:
    rows = [("table", "row", "figure", "counted", "facts")]
    rows += [
        (*reconciling.described(one), str(one.counted), f"{one.facts}{'' if one.repairable else ' *'}") for one in found
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
