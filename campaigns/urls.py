"""What campaigns answer: `api` under /api/v1/, and the click redirect."""

from django.urls import path

from campaigns.views import clicks, deliveries, messages, root

api = [
    path("", root.Root.as_view()),
    path("messages", messages.Messages.as_view()),
    path("messages/validate", messages.ValidateMessage.as_view()),
    path("messages/<str:id>", messages.OneMessage.as_view()),
    path("messages/<str:id>/deliveries", deliveries.Deliveries.as_view()),
    path("messages/<str:id>/cancel", messages.CancelMessage.as_view()),
]

urlpatterns = [path("c/<str:token>", clicks.click)]
