from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.admin.house import House


def _house(mark: str) -> House:
    from tests.admin.house import House  # noqa: PLC0415  (this file is read before Django is set up)

    return House(mark)


@pytest.fixture
def ours(db: None) -> House:
    return _house("ours")


@pytest.fixture
def theirs(db: None) -> House:
    """Another customer's Site, with members of its own."""
    house = _house("theirs")
    house.user("administrator")
    return house
