"""The root of the CRM API."""

import tomllib
from functools import lru_cache

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns import targeted
from campaigns.send_request import MAX_EXTERNAL_ID, MAX_PARAMS, MAX_RECIPIENTS, MAX_SEGMENTS
from pushplatform.api.idempotency import KEPT, MAX_KEY
from pushplatform.api.pagination import MOST_ROWS
from pushplatform.api.parsing import MAX_BODY
from pushplatform.api.rate_limits import ITEMS_PER_UNIT
from pushplatform.sites import public_ids
from pushplatform.webpush.encryption import MAX_PLAINTEXT
from pushplatform.webpush.request import MAX_TTL
from subscribers.upserting import MOST_AT_ONCE

FEATURES = (
    "messages",
    "audiences",
    "validate",
    "deliveries",
    "receipts",
    "idempotency",
    "contacts",
    "consents",
    "events",
    "segments",
)


class Root(APIView):
    """`GET /api/v1/`: what this installation is and can do."""

    def get(self, request: Request) -> Response:
        return Response(
            {
                "version": version(),
                "site": public_ids.encode("site", request.auth.site.pk),
                "scopes": sorted(request.auth.scopes),
                "features": FEATURES,
                "limits": {
                    "body_bytes": MAX_BODY,
                    "recipients": MAX_RECIPIENTS,
                    "audience_segments": MAX_SEGMENTS,
                    "batch_items": MOST_AT_ONCE,
                    "list_rows": MOST_ROWS,
                    "external_id_characters": MAX_EXTERNAL_ID,
                    "params_characters": MAX_PARAMS,
                    "payload_bytes": MAX_PLAINTEXT,
                    "ttl_seconds": MAX_TTL,
                    "send_at_days": targeted.MAX_AHEAD.days,
                    "idempotency_key_characters": MAX_KEY,
                    "idempotency_days": KEPT.days,
                    "units_per_minute": request.auth.per_minute or settings.API_UNITS_PER_MINUTE,
                    "items_per_unit": ITEMS_PER_UNIT,
                },
            }
        )


@lru_cache(maxsize=1)
def version() -> str:
    return str(tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]["version"])
