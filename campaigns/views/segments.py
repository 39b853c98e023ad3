"""Segments over the CRM API: kept, previewed, explained (api.md, "Segments")."""

from typing import Any, Final

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns import explaining, saved_segments
from campaigns.audience import Audience
from campaigns.device_choice import DeviceChoice
from campaigns.previewing import Preview, Superseded, examples, preview
from campaigns.segment_fields import CATALOGUE, understand
from campaigns.statement_limits import end
from pushplatform.api.authentication import Caller
from pushplatform.api.fields import Fields, refuse
from pushplatform.api.pagination import Query, page
from pushplatform.api.problems import FieldError, Problem, invalid
from pushplatform.api.times import rfc3339
from pushplatform.sites import public_ids
from pushplatform.sites.models import Scope, Site
from subscribers import segments
from subscribers.errors import Conflict, Fault, Invalid
from subscribers.models import Contact, Device, Purpose, Segment
from subscribers.segments import DefinitionError

MOST_EXCLUDED: Final = 100
LONGEST_TOKEN: Final = 64


class Segments(APIView):
    """`GET|POST /api/v1/segments`"""

    required_scope = {"GET": Scope.SEGMENTS_READ, "POST": Scope.SEGMENTS_WRITE}

    def get(self, request: Request) -> Response:
        query = Query(request)
        found = Segment.objects.filter(site=_site(request))
        return Response(page(found, query, lambda rows: [_json(row) for row in rows]))

    def post(self, request: Request) -> Response:
        segment = _written(request, Segment(site=_site(request)))
        return Response(_json(segment), 201, headers={"Location": f"/api/v1/segments/{_id(segment)}"})


class OneSegment(APIView):
    """`GET|PUT|DELETE /api/v1/segments/{id}`"""

    required_scope = {
        "GET": Scope.SEGMENTS_READ,
        "PUT": Scope.SEGMENTS_WRITE,
        "DELETE": Scope.SEGMENTS_WRITE,
    }

    def get(self, request: Request, id: str) -> Response:
        return Response(_json(_find(request, id)))

    def put(self, request: Request, id: str) -> Response:
        """Replaces it; what the body leaves out becomes empty."""
        return Response(_json(_written(request, _find(request, id))))

    def delete(self, request: Request, id: str) -> Response:
        """Only one that nothing uses: others are archived, `"archived": true` in a PUT."""
        try:
            saved_segments.delete(_find(request, id))
        except Conflict as error:
            raise Problem(error.code, error.detail) from None
        return Response(status=204)


class PreviewSegment(APIView):
    """`POST /api/v1/segments/preview`: how many a definition, or a saved segment, would reach, and who, for example.

    Who, is told to keys that may read contacts.
    """

    required_scope = {"POST": Scope.SEGMENTS_READ}

    def post(self, request: Request) -> Response:
        audience, _, body = _audience(request, ("definition", "segment", "purpose", "exclude", "devices", "token"))
        token = _token(request, body)
        if token:
            end(f"{token} sample")  # of the one before: nobody waits for it
        try:
            found = preview(audience, token=token)
            sample = examples(audience, token=token and f"{token} sample") if _sees_people(request) else []
        except Superseded:
            raise Problem("superseded", "A newer preview with this token was asked for.") from None
        except DefinitionError as error:  # an excluded one: the other was read already
            raise _broken(error, "/exclude") from None
        return Response(_preview_json(found) | {"sample": _people(sample)})


class ExplainSegment(APIView):
    """`POST /api/v1/segments/explain`: why a contact or a device is in it or not, rule by rule; personal data, so for
    keys that may read contacts as well."""

    required_scope = {"POST": Scope.SEGMENTS_READ}

    def post(self, request: Request) -> Response:
        if not _sees_people(request):
            raise Problem(
                "missing_scope", "It shows personal data: the API key's client lacks the scope contacts:read."
            )
        names = ("definition", "segment", "purpose", "exclude", "devices", "external_id", "device_id")
        audience, purpose, body = _audience(request, names)
        devices, asked = _devices_of(body, _site(request))
        refuse(body.errors)
        try:
            found = explaining.explain(audience, devices, purpose, timezone.now())
        except DefinitionError as error:
            raise _broken(error, "/exclude") from None
        shown = [one for one in found if asked is None or one.device_id == asked]
        return Response(
            {
                "matches": any(one.rule.verdict for one in shown),
                "reached": any(one.reached for one in shown),
                "devices": [one.as_json() for one in shown],
            }
        )


def _sees_people(request: Request) -> bool:
    caller: Caller = request.auth
    return Scope.CONTACTS_READ in caller.scopes


def _token(request: Request, body: Fields) -> str:
    """Names, among all callers, whoever waits for a preview; empty where the body names nobody."""
    token = body.text("token", most=LONGEST_TOKEN)
    refuse(body.errors)
    caller: Caller = request.auth
    return f"api {caller.client.pk} {token}" if token else ""


def _site(request: Request) -> Site:
    caller: Caller = request.auth
    return caller.site


def _id(segment: Segment) -> str:
    return public_ids.encode("seg", segment.pk)


def _json(segment: Segment) -> dict[str, Any]:
    rule, problem = understand(segment.definition, segment.site_id)
    return {
        "id": _id(segment),
        "name": segment.name,
        "description": segment.description,
        "definition": segment.definition,
        "words": None if problem else segments.describe(rule),
        "problem": problem or None,
        "archived": segment.archived,
        "created_at": rfc3339(segment.created_at),
        "updated_at": rfc3339(segment.updated_at),
    }


def _find(request: Request, id: str) -> Segment:
    """The segment of the caller's Site with this public id; 404."""
    try:
        return Segment.objects.get(pk=public_ids.decode("seg", id), site=_site(request))
    except (public_ids.UnknownId, Segment.DoesNotExist):
        raise Problem("not_found", "There is no segment with this id.") from None


def _written(request: Request, segment: Segment) -> Segment:
    body = Fields(request.data, [])
    segment.name = body.text("name", required=not body.errors, most=saved_segments.LONGEST_NAME) or ""
    segment.description = body.text("description", most=saved_segments.LONGEST_DESCRIPTION) or ""
    segment.definition = body.any("definition", required=not body.errors)
    archived = body.any("archived")
    if archived is not None and not isinstance(archived, bool):
        body.wrong("archived", "invalid_type", "archived must be true or false.")
    segment.archived = bool(archived)
    body.refuse_unknown()
    refuse(body.errors)
    try:
        return saved_segments.save(segment)
    except Invalid as error:
        raise invalid([_sentence(fault) for fault in error.errors]) from None


def _sentence(fault: Fault) -> FieldError:
    member = fault.pointer.rpartition("/")[2]
    detail = f"{member}: {fault.detail}" if member else fault.detail
    return FieldError(fault.pointer, fault.code, f"{detail[:1].upper()}{detail[1:]}.")


def _broken(error: DefinitionError, at: str) -> Problem:
    return invalid([_sentence(fault._replace(pointer=f"{at}{fault.pointer}")) for fault in error.errors])


def _audience(request: Request, known: tuple[str, ...]) -> tuple[Audience, Purpose | None, Fields]:
    """The audience that a body describes, its purpose, and the body for what else it says; raises Problem."""
    site, body = _site(request), Fields(request.data, [])
    refuse(body.errors)
    definition, at = _definition(body, site)
    purpose = _purpose(body, site)
    excluded = _excluded(body, site)
    devices = body.any("devices") or "all"
    try:
        DeviceChoice.of(devices)
    except ValueError as error:
        body.wrong("devices", "invalid_value", f"devices {error}.")
    for name in known:
        body.any(name)
    body.refuse_unknown()
    refuse(body.errors)
    try:
        segments.parse(definition, site.pk, CATALOGUE)
    except DefinitionError as error:
        raise _broken(error, at) from None
    bit = None if purpose is None else purpose.bit
    return Audience(site.pk, bit, (definition,), tuple(excluded), devices), purpose, body


def _definition(body: Fields, site: Site) -> tuple[Any, str]:
    """The definition, and where it stands in the body."""
    definition, saved = body.any("definition"), body.text("segment")
    if (definition is None) == (saved is None):
        body.wrong("definition", "required", "Give a definition, or the id of a saved segment as segment: one of them.")
    elif saved is not None:
        found = _segments(site, [saved])[0]
        if found is None:
            body.wrong("segment", "unknown_segment", "There is no segment with this id.")
        return found and found.definition, "/segment"
    return definition, "/definition"


def _purpose(body: Fields, site: Site) -> Purpose | None:
    key = body.text("purpose", most=64)
    if key is None:
        return None
    purpose = Purpose.objects.filter(site=site, key=key, bit__gt=Purpose.MEASUREMENT).first()
    if purpose is None:
        body.wrong("purpose", "unknown_purpose", "There is no such purpose to send for.")
    return purpose


def _excluded(body: Fields, site: Site) -> list[dict[str, Any]]:
    raw = body.any("exclude") or []
    if not isinstance(raw, list) or len(raw) > MOST_EXCLUDED or not all(isinstance(one, str) for one in raw):
        body.wrong("exclude", "invalid_type", f"exclude must be a list of at most {MOST_EXCLUDED} ids of segments.")
        return []
    found = _segments(site, raw)
    if None in found:
        body.wrong("exclude", "unknown_segment", f"There is no segment {raw[found.index(None)][:64]!r}.")
    return [one.definition for one in found if one is not None]


def _segments(site: Site, ids: list[str]) -> list[Segment | None]:
    numbers = []
    for one in ids:
        try:
            numbers.append(public_ids.decode("seg", one))
        except public_ids.UnknownId:
            numbers.append(0)
    known = Segment.objects.filter(site=site).in_bulk(numbers)
    return [known.get(number) for number in numbers]


def _devices_of(body: Fields, site: Site) -> tuple[list[Device], int | None]:
    """All devices of the person meant, and the one that was asked for, if one was."""
    external_id, public_id = body.text("external_id"), body.text("device_id")
    if (external_id is None) == (public_id is None):
        body.wrong("external_id", "required", "Give the external_id of a contact or a device_id, one of them.")
        return [], None
    devices = Device.objects.filter(site=site, status__lt=Device.Status.REPLACED).order_by("pk")
    if external_id is not None:
        contact = Contact.objects.filter(site=site, external_id=external_id).first()
        if contact is None:
            body.wrong("external_id", "unknown_contact", "There is no contact with this external_id.")
            return [], None
        return list(devices.filter(contact=contact)), None
    try:
        device = devices.filter(pk=public_ids.decode("dev", public_id or "")).first()
    except public_ids.UnknownId:
        device = None
    if device is None:
        body.wrong("device_id", "unknown_device", "There is no device with this id.")
        return [], None
    return list(devices.filter(contact_id=device.contact_id) if device.contact_id else [device]), device.pk


def _preview_json(found: Preview) -> dict[str, Any]:
    """`count`: devices that would be reached; `error`: of a sample, 0.03 for ± 3 %; `few`: too few to say a number."""
    steps = found.waterfall
    return {
        "count": None if steps is None else steps.after_device_choice,
        "people": None if steps is None else steps.people,
        "exact": found.exact,
        "error": found.error,
        "few": found.few,
        "words": found.words,
        "waterfall": steps and {name: number for name, number in steps._asdict().items() if name != "people"},
    }


def _people(ids: list[int]) -> list[dict[str, Any]]:
    devices = Device.objects.select_related("contact").filter(pk__in=ids).order_by("pk")
    return [
        {
            "device_id": public_ids.encode("dev", device.pk),
            "external_id": device.contact.external_id if device.contact else None,
        }
        for device in devices
    ]
