#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

from pushplatform.environment import WrongSetting


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")
    try:
        import pushplatform.celery  # noqa: F401, PLC0415  (tasks are sent through our app, never Celery's default one)

        execute_from_command_line(sys.argv)
    except WrongSetting as error:
        sys.exit(f"Wrong setting: {error}")


if __name__ == "__main__":
    main()
