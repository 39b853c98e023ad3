from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

if TYPE_CHECKING:
    from pushplatform.sites.models import Site
    from subscribers.models import Purpose


def _new_site(name: str = "Shop") -> Site:
    from tests.subscribers.people import new_site  # noqa: PLC0415  (conftests are read before Django is set up)

    return new_site(name)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def site(db: None) -> Site:
    return _new_site()


@pytest.fixture
def other_site(db: None) -> Site:
    return _new_site("Another shop")


@pytest.fixture
def purpose(site: Site) -> Callable[[str], Purpose]:
    return lambda key: site.purposes.get(key=key)
