"""The yardstick of `api`: POST /messages as Django REST framework's tutorial would have it.

Plain serializers, one ORM query for each recipient, rows in bulk; key, limits, log and rows are the product's.
"""

import secrets
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.urls import include, path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns import audience, counting
from campaigns.models import Lane, Message, Recipient
from pushplatform.api.models import Idempotency
from pushplatform.sites import public_ids
from pushplatform.urls import urlpatterns as all_urls
from subscribers.models import Device, Purpose


class RecipientSerializer(serializers.Serializer):
    external_id = serializers.CharField(max_length=255)
    params = serializers.DictField(required=False, default=dict)


class ContentSerializer(serializers.Serializer):
    title = serializers.CharField()
    body = serializers.CharField(required=False)
    url = serializers.URLField(required=False)


class MessageSerializer(serializers.Serializer):
    recipients = RecipientSerializer(many=True, max_length=1000)
    purpose = serializers.SlugRelatedField(slug_field="key", queryset=Purpose.objects.all())
    content = ContentSerializer()
    ttl = serializers.IntegerField(min_value=0, max_value=2_419_200, default=86_400)
    correlation_id = serializers.CharField(max_length=255, required=False, default="")


class ResultSerializer(serializers.Serializer):
    external_id = serializers.CharField()
    status = serializers.CharField()
    devices = serializers.IntegerField()


class NaiveMessages(APIView):
    required_scope = {"POST": "messages:send"}
    weighed = "recipients"

    @transaction.atomic
    def post(self, request: Request) -> Response:
        serializer = MessageSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked, site, now = serializer.validated_data, request.auth.site, timezone.now()
        message = Message.objects.create(
            site=site, client=request.auth.client, purpose=asked["purpose"], content=asked["content"],
            correlation_id=asked["correlation_id"], status=Message.Status.SENDING, send_at=now,
            expires_at=now + timedelta(seconds=asked["ttl"]), ref_secret=secrets.token_bytes(32),
        )  # fmt: skip
        rows, recipients, results, bit = [], [], [], 1 << asked["purpose"].bit
        for no, one in enumerate(asked["recipients"]):
            devices = Device.objects.filter(
                contact__site=site, contact__external_id=one["external_id"], status=Device.Status.ACTIVE
            )
            chosen = [device for device in devices if device.allowed & bit]
            rows += [(device.pk, device.contact_id, device.service, device.vapid_key_id, no) for device in chosen]
            status = Recipient.Status.QUEUED if chosen else Recipient.Status.SKIPPED
            recipients.append(
                Recipient(
                    message_id=message.pk, no=no, external_id=one["external_id"], params=one["params"], status=status,
                    contact_id=chosen[0].contact_id if chosen else None, devices=len(chosen),
                )
            )  # fmt: skip
            results.append({"external_id": one["external_id"], "status": status.name.lower(), "devices": len(chosen)})
        Recipient.objects.bulk_create(recipients)
        counting.make_rows(_cursor(), message.pk, None, Lane.TARGETED)
        audience.insert_batches(message, rows, Lane.TARGETED)
        Message.objects.filter(pk=message.pk).update(targeted=len(rows))
        answer: dict[str, Any] = {
            "id": public_ids.encode("msg", message.pk),
            "devices_queued": len(rows),
            "results": ResultSerializer(results, many=True).data,
        }
        Idempotency.objects.create(
            site=site, key=request.headers["Idempotency-Key"], body_hash=b"", status=202, answer=answer
        )
        return Response(answer, 202)


def _cursor() -> Any:
    return transaction.get_connection().cursor()


urlpatterns = [path("api/v1/", include([path("messages", NaiveMessages.as_view())])), *all_urls]
