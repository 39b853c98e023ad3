"""`GET /push/v1/sites/{site}/config`: what the script on a page needs before it asks anybody anything."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response, patch_vary_headers, set_response_etag
from django.utils.translation.trans_real import parse_accept_lang_header

from pushplatform.api.problems import Problem
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import b64url
from subscribers import purposes
from subscribers.purposes import Shown

FRESH_SECONDS: Final = 60


def config(request: HttpRequest, site: Site) -> HttpResponse:
    """In the language asked for (`?language=`), else the browser's, else the Site's."""
    key = VapidKey.objects.filter(site=site, state=VapidKey.State.CURRENT).only("public_key").first()
    if key is None:
        raise Problem("no_current_key")
    wanted = request.GET.get("language")
    accepted = [tag for tag, _ in parse_accept_lang_header(request.headers.get("Accept-Language", ""))]
    response = JsonResponse(
        {
            "site": public_ids.encode("site", site.id),
            "vapid_public_key": b64url(key.public_key),
            "purposes": [_purpose(one) for one in purposes.shown(site, [wanted] if wanted else accepted)],
            "prompt": _prompt(site.prompt),
        }
    )
    response["Cache-Control"] = f"public, max-age={FRESH_SECONDS}"
    patch_vary_headers(response, ["Accept-Language"])
    set_response_etag(response)
    conditional: HttpResponse = get_conditional_response(request, etag=response["ETag"], response=response)
    return conditional


def _purpose(shown: Shown) -> dict[str, Any]:
    wording = shown.wording
    return {
        "key": shown.purpose.key,
        "kind": shown.purpose.kind,
        "title": shown.purpose.title,
        "wording": {
            "id": public_ids.encode("wrd", wording.id),
            "version": wording.version,
            "language": wording.language,
            "text": wording.text,
        },
    }


def _prompt(texts: dict[str, Any]) -> dict[str, str]:
    """The Site's own words for the card; for what is left out the card has words in many languages."""
    names = {"title": "title", "body": "text", "yes": "yes", "no": "no", "privacy_url": "privacy_url"}
    return {shown: str(texts[name]) for name, shown in names.items() if texts.get(name)}
