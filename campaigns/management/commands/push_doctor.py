from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from campaigns.doctor import CannotExamine, Examination, Finding, examine
from pushplatform.sites import public_ids
from pushplatform.webpush.request import PushService
from subscribers.models import Device


class Command(BaseCommand):
    help = (
        "Sends a test notification to one device through our engine and another one through pywebpush, and shows both "
        "answers side by side. The person sees them. Exits with 1 when ours is not accepted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("device", help="its public id, dev_…")

    def handle(self, *args: Any, **options: Any) -> None:
        device = _device(options["device"])
        self.stdout.write("Two test notifications go out; the person at this browser sees them.")
        try:
            found = examine(device, timezone.now())
        except CannotExamine as reason:
            raise CommandError(str(reason)) from None
        for line in _report(options["device"], found):
            self.stdout.write(line)
        if not found.ours.accepted:
            raise SystemExit(1)


def _device(text: str) -> Device:
    try:
        number = public_ids.decode("dev", text)
        return Device.objects.select_related("site", "vapid_key", "subscription").get(pk=number)
    except (public_ids.UnknownId, Device.DoesNotExist):
        raise CommandError(f"There is no device {text}. Its id begins with dev_ and stands on its page.") from None


def _report(public_id: str, found: Examination) -> list[str]:
    device = found.device
    findings = [one for one in (found.ours, found.pywebpush) if one is not None]
    rows = [
        ("", [one.engine for one in findings]),
        ("answer", [one.said for one in findings]),
        ("means", [_means(one) for one in findings]),
        ("took", [f"{one.answer.seconds * 1000:.0f} ms" for one in findings]),
    ]
    return [
        f"Device    {public_id}: {device}, of {device.site}",
        f"Service   {PushService(device.service).name.title()} ({found.host})",
        f"Key       {found.key}",
        "",
        *(f"{name:<10}" + "".join(f"{value:<30}" for value in values).rstrip() for name, values in rows),
        *(f"{one.engine} was told: {one.text}" for one in findings if one.text and not one.accepted),
        "",
        found.conclusion,
    ]


def _means(finding: Finding) -> str:
    return "accepted" if finding.accepted else finding.verdict.reason or "refused"
