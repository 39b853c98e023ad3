from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.parts.stack import Stack

if TYPE_CHECKING:
    from pushplatform.sites.models import Site
    from tests.api.over_http import Crm


@pytest.fixture(scope="module")
def web(begin_module_stack: Callable[..., Stack]) -> Stack:
    """The web process over `module_database`."""
    return begin_module_stack(web=True)


@pytest.fixture
def shop(web: Stack) -> Site:
    from tests.campaigns.shop import new_site  # noqa: PLC0415  (conftests are read before Django is set up)

    return new_site()


@pytest.fixture
def crm(web: Stack, shop: Site) -> Crm:
    """A client with every scope."""
    from tests.api.over_http import Crm  # noqa: PLC0415

    return Crm(web.web_url, shop)
