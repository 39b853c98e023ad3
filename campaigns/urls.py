"""What campaigns answer: `api` under /api/v1/, the click redirect, and erasing a browser."""

from django.urls import path

from campaigns.views import clicks, deliveries, messages, people, root, segments
from subscribers.views import behaviour, contact_consents, contacts
from subscribers.views.browser_api import of_device

api = [
    path("", root.Root.as_view()),
    path("messages", messages.Messages.as_view()),
    path("messages/validate", messages.ValidateMessage.as_view()),
    path("messages/<str:id>", messages.OneMessage.as_view()),
    path("messages/<str:id>/deliveries", deliveries.Deliveries.as_view()),
    path("messages/<str:id>/cancel", messages.CancelMessage.as_view()),
    path("contacts", contacts.Contacts.as_view()),
    path("contacts/batch", people.PersonBatch.as_view(), {"external_id": "batch"}),
    path("contacts/<str:external_id>", people.Person.as_view()),
    path("contacts/<str:external_id>/merge", people.MergePerson.as_view()),
    path("contacts/<str:external_id>/devices", contacts.ContactDevices.as_view()),
    path("contacts/<str:external_id>/consents", contact_consents.ContactConsents.as_view()),
    path("contacts/<str:external_id>/export", people.ExportPerson.as_view()),
    path("events", behaviour.Events.as_view()),
    path("segments", segments.Segments.as_view()),
    path("segments/preview", segments.PreviewSegment.as_view()),
    path("segments/explain", segments.ExplainSegment.as_view()),
    path("segments/<str:id>", segments.OneSegment.as_view()),
]

urlpatterns = [
    path("c/<str:token>", clicks.click),
    path("push/v1/devices/<str:public_id>/erasure", of_device(post=people.erase_device)),
]
