"""`/api/v1/contacts/{external_id}/consents`: what a person agreed to, and what a CRM tells of it (api.md §1)."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from pushplatform.api.fields import Fields, refuse
from pushplatform.api.problems import FieldError, invalid
from pushplatform.sites.models import Scope
from subscribers.consent_history import history_of, line_json, state_of
from subscribers.models import Purpose
from subscribers.told import parse_told, tell
from subscribers.views.crm import CrmView, contact_of, external_id_of, site_of


class ContactConsents(CrmView):
    required_scope = {"GET": Scope.CONTACTS_READ, "POST": Scope.CONSENTS_WRITE}

    def get(self, request: Request, external_id: str) -> Response:
        """What counts now by purpose, and the newest lines of the ledger."""
        contact = contact_of(request, external_id)
        body = {"external_id": contact.external_id, "state": state_of(contact), "history": history_of(contact)}
        return Response(body)

    def post(self, request: Request, external_id: str) -> Response:
        """201 with the line as it was recorded; `counts`: whether it is the CRM's newest word for its purpose."""
        errors: list[FieldError] = []
        told = parse_told(Fields(request.data, errors))
        if errors and all(error.code == "consent_proof_missing" for error in errors):
            raise invalid(errors, "consent_proof_missing")
        refuse(errors)
        assert told is not None
        recorded = tell(site_of(request), external_id_of(request, external_id), told, timezone.now())
        purpose = Purpose.objects.get(pk=recorded.record.purpose_id)
        return Response({**line_json(recorded.record, purpose, recorded.wording), "counts": recorded.counts}, 201)
