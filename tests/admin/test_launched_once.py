"""Eight browsers press the button at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from campaigns.models import Campaign, Message, MessageTotal

CLICKS = 8


@pytest.mark.parametrize("same_session", [True, False])
def test_of_eight_launches_at_once_one_makes_a_message(fresh_database: str, same_session: bool) -> None:
    from tests.admin.drafts import dialog_token, launch, saved  # noqa: PLC0415
    from tests.admin.house import House  # noqa: PLC0415

    house = House("ours")
    browser = house.browser("marketer")
    campaign = saved(house, browser)
    token = dialog_token(browser, campaign)
    browsers = [browser if same_session else house.browser("marketer") for _ in range(CLICKS)]
    together = Barrier(CLICKS)

    def click(number: int) -> int:
        together.wait(timeout=120)
        try:
            return launch(browsers[number], campaign, token).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(CLICKS) as pool:
        answers = list(pool.map(click, range(CLICKS)))
    assert answers == [302] * CLICKS
    message = Message.objects.get(campaign=campaign)
    assert MessageTotal.objects.filter(message_id=message.pk).exists()
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.SENDING
