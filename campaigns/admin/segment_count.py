"""What the page of a segment asks for while it is being written: how many, who for example, and why somebody is not."""

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import connection
from django.http import Http404, HttpRequest, JsonResponse

from campaigns.admin.contact_names import name_of
from campaigns.admin.segment_form import LONGEST, NO_JSON, faults_of
from campaigns.audience import Audience
from campaigns.device_choice import DeviceChoice
from campaigns.previewing import Superseded, examples, glance, preview, rounded
from campaigns.segment_fields import CATALOGUE, parse
from campaigns.statement_limits import end
from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import site_for
from pushplatform.sites.models import Site
from subscribers import segments
from subscribers.admin.words import browser_name
from subscribers.models import Device, Purpose, Segment
from subscribers.segments import DefinitionError
from subscribers.user_agent import BROWSERS


class Asked(NamedTuple):
    """What a request of the page is about. `token` names the tab that waits."""

    site: Site
    audience: Audience
    purpose: Purpose | None
    without: list[Segment]
    sentence: str
    token: str


class Refused(Exception):
    """The request cannot be answered; `answer` says why."""

    def __init__(self, answer: JsonResponse):
        super().__init__()
        self.answer = answer


def asked_for(request: HttpRequest) -> Asked:
    """Reads POST `definition` (JSON), `purpose`, `without` (numbers), `devices` (a device rule), `segment` (the number
    of the one that is edited) and `tab`; raises Refused."""
    if request.method != "POST":
        raise Http404
    site = site_for(request, Right.SEE)
    definition = _definition(request)
    purpose = _purpose(request, site)
    try:
        rule = segments.parse(definition, site.pk, CATALOGUE, segment_id=next(_numbers(request, "segment"), None))
    except DefinitionError as error:
        raise _refused(faults_of(error.errors)) from None
    without = list(Segment.objects.filter(site=site, pk__in=list(_numbers(request, "without"))))
    audience = Audience(
        site.pk,
        None if purpose is None else purpose.bit,
        (definition,),
        tuple(one.definition for one in without),
        _devices(request),
    )
    token = f"{request.user.pk} {request.POST.get('tab', '')[:64]}"
    return Asked(site, audience, purpose, without, segments.describe(rule), token)


def count(request: HttpRequest) -> JsonResponse:
    """How many a definition would reach, step by step; with `glance`, a rough figure beforehand.

    Its Server-Timing (W3C) tells what the answer waited for.
    """
    spent = Spent()
    with connection.execute_wrapper(spent):
        answer = _count(request)
    answer["Server-Timing"] = spent.header()
    return answer


class Spent:
    """Adds up the milliseconds of a view that the database took."""

    def __init__(self) -> None:
        self._begun, self._database = time.perf_counter(), 0.0

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self._database += time.perf_counter() - begun

    def header(self) -> str:
        view = time.perf_counter() - self._begun
        return f"database;dur={self._database * 1000:.1f}, view;dur={view * 1000:.1f}"


def _count(request: HttpRequest) -> JsonResponse:
    try:
        asked = asked_for(request)
        if "glance" in request.POST:
            found = glance(asked.audience, token=f"{asked.token} glance")
        else:
            end(_of_sample(asked))  # nobody waits for the people of the definition before
            found = preview(asked.audience, token=asked.token)
    except Refused as refused:
        return refused.answer
    except Superseded:
        return JsonResponse({"superseded": True}, status=409)
    except DefinitionError:  # its own was read already
        return _refused([{"at": "", "code": "broken_exclusion", "detail": broken_exclusion(asked)}]).answer
    figures = found.waterfall and found.waterfall._asdict()
    if figures and not found.exact:
        figures = {name: rounded(number) for name, number in figures.items()}
    return JsonResponse(
        {
            "figures": figures,
            "exact": found.exact,
            "error": found.error,
            "few": found.few,
            "below": found.below,
            "sentence": asked.sentence,
            "purpose": asked.purpose.title if asked.purpose else None,
            "without": [one.name for one in asked.without],
            "picks_one": asked.audience.choice.picks_one,
            "chooses": asked.audience.devices != "all",
        }
    )


def sample(request: HttpRequest) -> JsonResponse:
    """Some of the people it would reach; the caller has made sure that their data may be seen."""
    try:
        asked = asked_for(request)
        ids = examples(asked.audience, token=_of_sample(asked))
    except Refused as refused:
        return refused.answer
    except Superseded:
        return JsonResponse({"superseded": True}, status=409)
    except DefinitionError:
        ids = []
    devices = Device.objects.select_related("contact").filter(pk__in=ids).order_by("pk")
    people = {device.contact.pk: device.contact for device in devices if device.contact}
    return JsonResponse(
        {"people": [{"id": one.pk, "name": name_of(one) or "", "crm": one.external_id} for one in people.values()]}
    )


def broken_exclusion(asked: Asked) -> str:
    """Which of the segments that are left out cannot be worked out, and why; a sentence without its full stop."""
    for one in asked.without:
        try:
            parse(one.definition, asked.site.pk)
        except DefinitionError as error:
            return f"“{one.name}” is to be left out and cannot be worked out: {error.errors[0].detail}"
    return "What is to be left out has changed meanwhile: count again"


def _of_sample(asked: Asked) -> str:
    return f"{asked.token} sample"


def device_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """The device rules that the page offers, in groups: JSON, and what it is called."""
    browsers = {value: browser_name(value) for value in BROWSERS[:5]}
    forms = {"desktop": "Computers only", "mobile": "Phones only", "tablet": "Tablets only"}
    return [
        (
            "Of each person",
            [('"all"', "All devices"), ('"latest"', "The one seen last"), ('"most_engaged"', "The most engaged one")],
        ),
        ("Of a kind", [(json.dumps({"form": [form]}), title) for form, title in forms.items()]),
        ("Of a browser", [(json.dumps({"browser": [key]}), f"{title} only") for key, title in browsers.items()]),
    ]


def _definition(request: HttpRequest) -> Any:
    try:
        return json.loads(request.POST.get("definition", "")[:LONGEST])
    except (ValueError, RecursionError):
        raise _refused([{"at": "", "code": "no_json", "detail": NO_JSON}]) from None


def _purpose(request: HttpRequest, site: Site) -> Purpose | None:
    number = next(_numbers(request, "purpose"), 0)
    return Purpose.objects.filter(site=site, pk=number, bit__gt=Purpose.MEASUREMENT).first()


def _numbers(request: HttpRequest, name: str) -> Iterator[int]:
    """Those of the values posted under this name that can be a row's number."""
    return (int(text) for text in request.POST.getlist(name) if text.isdecimal() and len(text) <= 18)


def _devices(request: HttpRequest) -> Any:
    try:
        raw = json.loads(request.POST.get("devices") or '"all"')
        DeviceChoice.of(raw)
    except (ValueError, RecursionError):
        raise _refused([{"at": "", "code": "devices", "detail": "there is no such choice of devices"}]) from None
    return raw


def _refused(faults: list[dict[str, str]]) -> Refused:
    return Refused(JsonResponse({"faults": faults}, status=422))
