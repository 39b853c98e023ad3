"""The browser API, below `/push/v1/` (api.md §2). Receipts have an entrance of their own."""

from django.urls import path

from subscribers.views.browser_api import of_device, of_site
from subscribers.views.config import config
from subscribers.views.device_acts import report_events, tag
from subscribers.views.registering import consents, identify, log_out, register, unsubscribe

urlpatterns = [
    path("sites/<str:public_id>/config", of_site(get=config)),
    path("sites/<str:public_id>/devices", of_site(post=register)),
    path("devices/<str:public_id>/identity", of_device(post=identify, delete=log_out)),
    path("devices/<str:public_id>/consents", of_device(post=consents)),
    path("devices/<str:public_id>/unsubscribe", of_device(post=unsubscribe)),
    path("devices/<str:public_id>/tags", of_device(post=tag)),
    path("devices/<str:public_id>/events", of_device(post=report_events)),
]
