"""`/api/v1/contacts`: people as the CRM knows them (api.md §1)."""

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from pushplatform.api.fields import Fields, refuse
from pushplatform.api.pagination import Query, page
from pushplatform.api.problems import FieldError, pointer
from pushplatform.sites.models import Scope
from subscribers.as_json import contact_json, device_json
from subscribers.contacts import LONGEST_TAG
from subscribers.models import Contact, Device, Purpose
from subscribers.upserting import MOST_AT_ONCE, Given, Upserted, raise_faults, upsert_many
from subscribers.views.crm import CrmView, contact_of, counted, external_id_of, failed, many, sentence, site_of


class Contacts(CrmView):
    """`GET /api/v1/contacts`"""

    required_scope = {"GET": Scope.CONTACTS_READ}

    def get(self, request: Request) -> Response:
        query = Query(request)
        found = Contact.objects.filter(site=site_of(request))
        if (tag := query.text("tag", most=LONGEST_TAG)) is not None:
            found = found.filter(tags__contains=[tag])
        if (owner := query.text("owner")) is not None:
            found = found.filter(owner=owner)
        return Response(page(found, query, lambda rows: [contact_json(row) for row in rows]))


class OneContact(CrmView):
    """`GET|PUT|PATCH /api/v1/contacts/{external_id}`"""

    required_scope: dict[str, Any] = {
        "GET": Scope.CONTACTS_READ,
        "PUT": Scope.CONTACTS_WRITE,
        "PATCH": Scope.CONTACTS_WRITE,
    }

    def get(self, request: Request, external_id: str) -> Response:
        return Response(contact_json(contact_of(request, external_id)))

    def put(self, request: Request, external_id: str) -> Response:
        """Makes or changes the contact; what the body leaves out stays, attributes are replaced as a whole."""
        return self._write(request, external_id_of(request, external_id), merge=False)

    def patch(self, request: Request, external_id: str) -> Response:
        """Changes a contact that is there; attributes are merged one by one, null takes one away."""
        contact = contact_of(request, external_id)
        return self._write(request, contact.external_id, merge=True)

    def _write(self, request: Request, external_id: str, *, merge: bool) -> Response:
        errors: list[FieldError] = []
        body = Fields(request.data, errors)
        given = read_contact(body, external_id, merge=merge, may_recreate=not merge)
        body.refuse_unknown()
        refuse(errors)
        upserted = raise_faults(upsert_many(site_of(request), [given], timezone.now())[0])
        assert upserted.contact is not None
        return Response(contact_json(upserted.contact), 201 if upserted.created else 200)


class ContactBatch(OneContact):
    """`POST /api/v1/contacts/batch`; with the other methods it is the contact whose CRM id is `batch`."""

    required_scope = {**OneContact.required_scope, "POST": Scope.CONTACTS_WRITE}
    weighed = "contacts"

    def post(self, request: Request, external_id: str) -> Response:
        """Each item as PUT would take it, or with `"merge": true` as PATCH, in the order asked, independent."""
        body, errors, raw = many(request, "contacts", MOST_AT_ONCE)
        merge = body.any("merge")
        if merge is not None and not isinstance(merge, bool):
            body.wrong("merge", "invalid_type", "merge must be true or false.")
        body.refuse_unknown()
        refuse(errors)
        wrong: list[list[FieldError]] = [[] for _ in raw]
        read = [_item(one, wrong[no], no, merge=bool(merge)) for no, one in enumerate(raw)]
        sound = [no for no, errors in enumerate(wrong) if not errors]
        done = upsert_many(site_of(request), [read[no] for no in sound], timezone.now())
        upserted = dict(zip(sound, done, strict=True))
        results = [
            failed(wrong[no], external_id=given.external_id) if wrong[no] else _result(given, upserted[no], no)
            for no, given in enumerate(read)
        ]
        return Response({"results": results, "counts": counted(results)})


def _item(raw: Any, errors: list[FieldError], no: int, *, merge: bool) -> Given:
    fields = Fields(raw, errors, "contacts", no)
    external_id = fields.any("external_id", required=not errors)
    given = read_contact(fields, external_id, merge=merge, may_recreate=True)
    fields.refuse_unknown()
    return given


def _result(given: Given, upserted: Upserted, no: int) -> dict[str, Any]:
    at = pointer("contacts", no)
    if upserted.faults:
        faults = [sentence(fault) for fault in upserted.faults]
        return failed([one._replace(pointer=at + one.pointer) for one in faults], external_id=given.external_id)
    if upserted.conflict is not None:
        error = FieldError(f"{at}/external_id", upserted.conflict.code, upserted.conflict.detail)
        return failed([error], external_id=given.external_id)
    status = "created" if upserted.created else "updated" if upserted.changed else "unchanged"
    return {"external_id": given.external_id, "status": status}


def read_contact(fields: Fields, external_id: Any, *, merge: bool, may_recreate: bool) -> Given:
    """The members of a contact as they are to be; null empties."""
    recreate = fields.any("recreate") if may_recreate else None
    if recreate is not None and not isinstance(recreate, bool):
        fields.wrong("recreate", "invalid_type", "recreate must be true or false.")
    attributes = fields.any("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        fields.wrong("attributes", "invalid_type", "attributes must be an object.")
    return Given(
        external_id,
        attributes=attributes if isinstance(attributes, dict) else None,
        tags=_tags(fields),
        language=_emptied(fields, "language"),
        time_zone=_emptied(fields, "time_zone"),
        owner=_emptied(fields, "owner"),
        merge=merge,
        recreate=recreate is True,
    )


def _tags(fields: Fields) -> list[Any] | None:
    tags = fields.any("tags")
    if tags is not None and not isinstance(tags, list):
        fields.wrong("tags", "invalid_type", "tags must be a list of texts.")
        return None
    return [] if tags is None and fields.has("tags") else tags


def _emptied(fields: Fields, name: str) -> str | None:
    if fields.has(name) and fields.any(name) in (None, ""):
        return ""
    return fields.text(name)


class ContactDevices(CrmView):
    """`GET /api/v1/contacts/{external_id}/devices`"""

    required_scope = {"GET": Scope.CONTACTS_READ}

    def get(self, request: Request, external_id: str) -> Response:
        contact = contact_of(request, external_id)
        purposes = list(Purpose.objects.filter(site_id=contact.site_id).order_by("bit"))
        found = Device.objects.filter(contact=contact)

        def serialise(rows: list[Device]) -> list[dict[str, Any]]:
            return [device_json(row, purposes) for row in rows]

        return Response(page(found, Query(request), serialise, order=("id",)))
