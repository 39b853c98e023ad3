"""What the CRM API does about a whole person: erase, merge, export. What is known of them: subscribers/views."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import erasing, exporting, merging
from pushplatform.api.fields import Fields, refuse
from pushplatform.api.problems import FieldError
from pushplatform.sites.models import Scope
from subscribers.as_json import contact_json
from subscribers.contacts import LONGEST_ID, external_id_faults
from subscribers.models import Device
from subscribers.views.contacts import ContactBatch, OneContact
from subscribers.views.crm import CrmView, contact_of, external_id_of, sentence, site_of
from subscribers.views.registering import nothing_else, proven


class Person(OneContact):
    """`GET|PUT|PATCH|DELETE /api/v1/contacts/{external_id}`"""

    required_scope = {**OneContact.required_scope, "DELETE": Scope.CONTACTS_ERASE}

    def delete(self, request: Request, external_id: str) -> Response:
        """Erases the person; once more, it says again when that was."""
        erased = erasing.erase(site_of(request), external_id_of(request, external_id), timezone.now())
        return Response(erased.as_json())


class PersonBatch(ContactBatch, Person):
    """`POST /api/v1/contacts/batch`; with the other methods it is the contact whose CRM id is `batch`."""

    required_scope = {**Person.required_scope, **ContactBatch.required_scope}


class MergePerson(CrmView):
    """`POST /api/v1/contacts/{external_id}/merge`"""

    required_scope = {"POST": Scope.CONTACTS_WRITE}

    def post(self, request: Request, external_id: str) -> Response:
        errors: list[FieldError] = []
        body = Fields(request.data, errors)
        into = body.text("into", required=not errors, most=LONGEST_ID)
        errors += [sentence(fault) for fault in (external_id_faults(into, "/into") if into is not None else ())]
        body.refuse_unknown()
        refuse(errors)
        merged = merging.merge(site_of(request), external_id_of(request, external_id), into or "", timezone.now())
        return Response(
            {"merged": external_id_of(request, external_id), "into": contact_json(merged.contact)} | merged.counts
        )


def erase_device(request: HttpRequest, device: Device) -> HttpResponse:
    """`POST /push/v1/devices/{id}/erasure`: the person's own act, for this browser alone."""
    nothing_else(*proven(request, device))
    erasing.erase_device(device, timezone.now())
    return HttpResponse(status=204)


class ExportPerson(CrmView):
    """`GET /api/v1/contacts/{external_id}/export`: everything known of the person (GDPR, articles 15 and 20)."""

    required_scope = {"GET": Scope.CONTACTS_READ}

    def get(self, request: Request, external_id: str) -> Response:
        return Response(exporting.export(contact_of(request, external_id), timezone.now()))
