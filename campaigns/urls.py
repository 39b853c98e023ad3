"""What campaigns answer: `api` under /api/v1/, and the click redirect."""

from django.urls import path

from campaigns import views

api = [
    path("", views.Root.as_view()),
    path("messages", views.Messages.as_view()),
    path("messages/<str:id>", views.OneMessage.as_view()),
    path("messages/<str:id>/cancel", views.CancelMessage.as_view()),
]

urlpatterns = [path("c/<str:token>", views.click)]
