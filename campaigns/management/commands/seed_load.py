from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from campaigns import load_seed
from pushplatform.sites import public_ids


class Command(BaseCommand):
    help = (
        "Makes a Site with a million contacts, 1.5 million devices and ten million deliveries with their receipts, to "
        "try and to measure things at size. It takes minutes and some 6 GB, and is refused in production."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--scale", type=float, default=1.0, help="0.1 makes a tenth of it.")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ENVIRONMENT == "production":
            raise CommandError("This is a production platform: its Sites hold people, not load.")
        if not 0 < options["scale"] <= 10:
            raise CommandError("--scale must be more than 0, and 10 at most.")
        seeded = load_seed.seed(options["scale"], timezone.now(), self.stdout.write)
        self.stdout.write(f"The Site is {public_ids.encode('site', seeded.site.pk)}, “{seeded.site.name}”.")
