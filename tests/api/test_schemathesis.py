"""Schemathesis makes up calls from the description as it is served, good and bad ones, and looks at the answers.

The description is open where answers may grow; here it is taken by its word: an answer with a member, a word or an
error code that it lacks fails, as does a 500.
"""

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from campaigns.description.everything import OPERATIONS
from campaigns.models import Campaign
from pushplatform.api.description.shapes import OPEN_WORDS
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import Device, Segment
from tests.api.over_http import Crm
from tests.campaigns.shop import new_person, new_site
from tests.parts.stack import Stack

Json = dict[str, Any]

CONFIG: Final = """
hooks = "tests.api.made_up_calls"
seed = 1
workers = 1
continue-on-failure = true
color = false
suppress-health-check = ["all"]
warnings = false

[generation]
deterministic = true
database = "none"
max-examples = {examples}

[phases]
stateful.enabled = false
coverage.generation.mode = "{coverage}"
coverage.unexpected-methods = []

[checks]
# A body that fits may still name a purpose that is not there.
positive_data_acceptance.enabled = false
unsupported_method.enabled = false
# These two follow single resources through calls, and take an erased person who is answered for as a fault.
use_after_free.enabled = false
ensure_resource_availability.enabled = false

# What is wrong with one item of many is said in a 200.
[[operations]]
include-path = ["/api/v1/contacts/batch", "/api/v1/events"]
checks.negative_data_rejection.enabled = false
"""


@pytest.fixture(scope="module")
def site(web: Stack) -> Site:
    """A Site in which there is something to find."""
    site = new_site()
    new_person(site, "CRM-42", "offers", "order_updates", "measurement", devices=2)
    for external_id in ("CRM-43", "LEAD-1", "LEAD-2"):
        new_person(site, external_id, "offers")
    for name in ("Everyone", "Spare"):
        Segment.objects.create(site=site, name=name, definition={"all": []})
    purpose = site.purposes.get(key="offers")
    Campaign.objects.create(site=site, name="Sale", purpose=purpose, content={"title": "Sale"})
    return site


def known(crm: Crm, site: Site) -> dict[str, list[str]]:
    """Values that lead somewhere, by the name of the member or parameter."""
    body = {"recipients": [{"external_id": "CRM-42"}], "purpose": "offers", "content": {"title": "Hello"}}
    sent = crm.post("messages", body, Idempotency_Key="first").json()["id"]
    everyone = Segment.objects.get(site=site, name="Everyone")
    segments = [public_ids.encode("seg", everyone.pk)]
    devices = [public_ids.encode("dev", one.pk) for one in Device.objects.filter(site=site)]
    return {
        "external_id": ["CRM-42", "CRM-43", "CRM-44"],
        "into": ["CRM-43", "CRM-42"],
        "device_id": devices,
        "ids": devices,
        "id": [sent, *segments],
        "purpose": ["offers", "order_updates", "measurement"],
        "campaign": [public_ids.encode("cmp", site.campaigns.get().pk)],
        "segment": segments,
        "segments": segments,
        "exclude": segments,
        "field": ["device.browser", "contact.attributes.plan", "engagement.clicked", "event", "device.last_seen"],
        "op": ["eq", "in", "within", "gte", "set"],
    }


def expendable(site: Site) -> dict[str, list[str]]:
    """The same of what may be erased, merged and deleted."""
    spare = Segment.objects.get(site=site, name="Spare")
    return {"external_id": ["LEAD-1", "LEAD-2"], "id": [public_ids.encode("seg", spare.pk)]}


def try_out(web: Stack, site: Site, folder: Path, *, examples: int, coverage: str) -> None:
    """Schemathesis finds nothing with so many examples of each call, beside the boundaries of its members: of good
    calls alone, or of all."""
    crm = Crm(web.web_url, site)
    served = requests.get(f"{web.web_url}/api/v1/openapi.json", timeout=30).json()
    (folder / "openapi.json").write_text(json.dumps(by_its_word(served)))
    (folder / "schemathesis.toml").write_text(CONFIG.format(examples=examples, coverage=coverage))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml")),
            *("run", str(folder / "openapi.json"), "--url", web.web_url),
            *("--header", f"Authorization:{crm.session.headers['Authorization']}"),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "MADE_UP_CALLS_KNOW": json.dumps(known(crm, site)),
            "MADE_UP_CALLS_MAY_END": json.dumps(expendable(site)),
        },
        cwd=folder, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    assert f"Tested: {len(OPERATIONS)}\n" in done.stdout


def test_no_call_is_answered_with_a_500_or_with_what_the_description_lacks(
    web: Stack, site: Site, tmp_path: Path
) -> None:
    try_out(web, site, tmp_path, examples=8, coverage="positive")


@pytest.mark.soak
def test_nor_is_any_of_many_calls(web: Stack, site: Site, tmp_path: Path) -> None:
    try_out(web, site, tmp_path, examples=60, coverage="all")


def by_its_word(served: Json) -> Json:
    """The description without room for additions: answers have the members and words that it names, no others."""
    document = deepcopy(served)
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    _close(content["schema"])
    for name in document["components"]["schemas"].keys() - {"Rule"}:
        _close(document["components"]["schemas"][name])
    return document


def _close(shape: Any) -> None:
    if isinstance(shape, list):
        for one in shape:
            _close(one)
    elif isinstance(shape, dict):
        if OPEN_WORDS in shape:
            null = [None] if "null" in shape.get("type", ()) else []
            shape["enum"] = [*shape[OPEN_WORDS], *null]
        inner = [one for name, one in shape.items() if name not in ("example", "examples", "enum", OPEN_WORDS)]
        if "properties" in shape and "const" not in str(shape["properties"].get("status", "")):
            shape.setdefault("unevaluatedProperties", False)
        for one in inner:
            _close(one)
