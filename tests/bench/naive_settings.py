"""The platform's settings with the yardstick's addresses (naive_api.py)."""

from pushplatform.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.naive_api"
