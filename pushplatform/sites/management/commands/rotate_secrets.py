from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import models, transaction

from pushplatform.sites.secrets import EncryptedField

BATCH = 500


class Command(BaseCommand):
    help = (
        "Encrypts every secret in the database anew under the first of SECRET_KEYS. When it has ended, keys that "
        "stand behind the first may be taken away. It can be stopped and started again at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for model, fields in _encrypted():
            rows = 0
            for first, last in _ranges(model):
                rows += _rotate(model, fields, first, last)
            self.stdout.write(f"{model._meta.label}: {rows} rows ({', '.join(fields)})")
            count += rows * len(fields)
        self.stdout.write(f"{count} secrets are encrypted under the first key now.")


def _encrypted() -> Iterator[tuple[type[models.Model], list[str]]]:
    """Every model with secrets, and the names of their fields."""
    for model in apps.get_models():
        if fields := [field.name for field in model._meta.concrete_fields if isinstance(field, EncryptedField)]:
            yield model, fields


def _ranges(model: type[models.Model]) -> Iterator[tuple[int, int]]:
    """Primary keys of the first and the last row of each batch."""
    last = None
    while True:
        rows = model._base_manager.order_by("pk")
        keys = list((rows if last is None else rows.filter(pk__gt=last)).values_list("pk", flat=True)[:BATCH])
        if not keys:
            return
        last = keys[-1]
        yield keys[0], last


def _rotate(model: type[models.Model], fields: list[str], first: Any, last: Any) -> int:
    """Reading decrypts with whichever key fits, writing encrypts with the first. The rows are locked in between."""
    with transaction.atomic():
        rows = list(
            model._base_manager.select_for_update(no_key=True).filter(pk__range=(first, last)).only("pk", *fields)
        )
        model._base_manager.bulk_update(rows, fields)
    return len(rows)
