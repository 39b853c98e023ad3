from django.apps import AppConfig


class SitesConfig(AppConfig):
    name = "pushplatform.sites"
    label = "sites"
    verbose_name = "Site set-up"
