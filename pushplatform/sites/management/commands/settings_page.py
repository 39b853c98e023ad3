from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

HEAD = """# Settings

Every setting is a variable of the environment. A wrong value stops the start with a line that names the variable and
says what it must be. This page is written by `manage.py settings_page` from the declarations in
`pushplatform/settings.py`.

| variable | type | default | meaning |
|---|---|---|---|
"""


def settings_page() -> str:
    """The text of docs/settings.md."""
    rows = (
        f"| `{v.name}` | {v.kind} | {f'`{v.default}`' if v.default else 'empty'} | {v.meaning} |"
        for v in settings.DECLARED
    )
    return HEAD + "\n".join(rows) + "\n"


class Command(BaseCommand):
    help = "Prints docs/settings.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(settings_page(), ending="")
