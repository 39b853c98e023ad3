"""What the views of people for CRMs share: who is meant, what is refused, and lists of many things at once."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pushplatform.api.authentication import Caller
from pushplatform.api.encoded_path import path_part
from pushplatform.api.fields import MOST_ERRORS, Fields, refuse
from pushplatform.api.problems import FieldError, Problem, invalid
from pushplatform.sites.models import Site
from subscribers import contacts
from subscribers.contacts import Merged
from subscribers.errors import Conflict, Fault, Invalid, NotFound
from subscribers.models import Contact


class CrmView(APIView):
    """Answers what the domain refuses as problems."""

    writes = ("PUT", "PATCH")

    def handle_exception(self, error: Exception) -> Response:
        return super().handle_exception(self._problem(error))

    def _problem(self, error: Exception) -> Exception:
        match error:
            case Invalid():
                return invalid([sentence(fault) for fault in error.errors])
            case Merged():
                status = 409 if self.request.method in self.writes else 404
                location = f"/api/v1/contacts/{quote(error.into, safe='')}"
                return Problem(error.code, error.detail, status=status, headers={"Location": location})
            case Conflict():
                return Problem(error.code, error.detail)
            case NotFound():
                return Problem("not_found", "There is no contact with this external_id.")
        return error


def site_of(request: Request) -> Site:
    caller: Caller = request.auth
    return caller.site


def external_id_of(request: Request, part: str) -> str:
    """The CRM id in the path; raises Invalid for one that no contact can have."""
    external_id = path_part(request, part)
    if "\ufffd" in external_id:  # what stands for octets that are no UTF-8
        detail = "external_id in the path is not UTF-8, percent-encoded."
        raise invalid([("/external_id", "invalid_external_id", detail)])
    if faults := contacts.external_id_faults(external_id):
        raise Invalid(faults)
    return external_id


def contact_of(request: Request, part: str) -> Contact:
    return contacts.find(site_of(request), external_id_of(request, part))


def sentence(fault: Fault) -> FieldError:
    """A fault of the domain, whose detail leaves the member unnamed, as one that stands for itself."""
    if not fault.detail:
        return FieldError(fault.pointer, fault.code, "")
    if fault.detail.startswith(("a ", "the ", "its ")):
        return FieldError(fault.pointer, fault.code, f"{fault.detail[0].upper()}{fault.detail[1:]}.")
    name = fault.pointer.rpartition("/")[2]
    subject = "It" if name.isdecimal() else name  # of a list's item; a member is called as it is written
    return FieldError(fault.pointer, fault.code, f"{subject} {fault.detail}.")


def many(request: Request, name: str, most: int) -> tuple[Fields, list[FieldError], list[Any]]:
    """The body with its list of 1 to `most` items; raises Problem. The caller refuses what else is wrong."""
    errors: list[FieldError] = []
    body = Fields(request.data, errors)
    refuse(errors)
    raw = body.any(name, required=True)
    if raw is not None and (not isinstance(raw, list) or not raw):
        body.wrong(name, "invalid_type", f"{name} must be a list of 1 to {most:,} objects.")
    refuse(errors)
    if len(raw) > most:
        detail = f"{name} has {len(raw):,} entries; at most {most:,} are taken in one request."
        raise invalid([(f"/{name}", "too_many_items", detail)], "too_many_items")
    return body, errors, raw


def failed(errors: Sequence[FieldError], **who: Any) -> dict[str, Any]:
    """The result of one item that was not taken."""
    return {
        **who,
        "status": "failed",
        "code": errors[0].code,
        "errors": [one._asdict() for one in errors[:MOST_ERRORS]],
    }


def counted(results: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many results there are of each status."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result["status"]] = counts.get(result["status"], 0) + 1
    return counts
