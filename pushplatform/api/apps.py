from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "pushplatform.api"
    label = "api"
    verbose_name = "API"
