"""What every admin page of a Site's things shares: querysets, choices and rights limited to the user's own Sites."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import ForeignKey, Model, QuerySet
from django.forms.models import ModelChoiceField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from pushplatform.sites.access import Right, choose_site, current_site, is_superuser, may, sites_of
from pushplatform.sites.models import Site

WHEN = "j M Y, H:i"


def site_for(request: HttpRequest, right: Right) -> Site:
    """The Site that the address names by `_site`; Http404 where it is not the user's, PermissionDenied without the
    right on it."""
    site = current_site(request)
    if site is None or request.GET.get("_site") != str(site.pk):
        raise Http404
    if not may(request.user, right, site):
        raise PermissionDenied
    return site


def when(moment: datetime | None) -> str | None:
    """A moment as lists show it, in the Site's time zone."""
    return None if moment is None else formats.date_format(timezone.localtime(moment), WHEN)


class SiteChangeList(ChangeList):
    """A list of the current Site's things only, also for those who see several Sites."""

    root_queryset: QuerySet[Any]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self.root_queryset = self.model_admin.of_current_site(request, self.root_queryset)
        return super().get_queryset(request, exclude_parameters)


class SiteForm(forms.ModelForm):
    """A form of a new thing belongs to the current Site before it is checked, so that unique names are."""

    current_site: Site | None = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.current_site is not None and hasattr(self.instance, "site_id") and self.instance.site_id is None:
            self.instance.site = self.current_site

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"site"}


class SiteScopedAdmin(ModelAdmin):
    """An admin of things that belong to a Site.

    `site_lookup`: the way from the model to its Site, "" for Site itself. `sees`, `changes`: the rights needed.
    A thing never changes its Site; a new one belongs to the current Site, which the address of its form names.
    """

    site_lookup = "site"
    sees = Right.SEE
    changes = Right.ADMINISTER
    can_add = can_change = can_delete = True
    actions = None
    form = SiteForm
    list_per_page = 50

    # --- what the user's Sites leave of a queryset
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        if is_superuser(request.user):
            return queryset
        lookup = f"{self.site_lookup}__in" if self.site_lookup else "pk__in"
        return queryset.filter(**{lookup: sites_of(request.user, self.sees)})

    def of_current_site(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        site = current_site(request)
        if not self.site_lookup:
            return queryset
        return queryset.filter(**{self.site_lookup: site}) if site else queryset.none()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SiteChangeList

    def site_id_of(self, obj: Model) -> int:
        thing: Any = obj
        if not self.site_lookup:
            return thing.pk
        *way, last = self.site_lookup.split("__")
        for name in way:
            thing = getattr(thing, name)
        return getattr(thing, f"{last}_id")

    # --- rights
    def _may(self, request: HttpRequest, right: Right, obj: Model | None) -> bool:
        site_id = self.site_id_of(obj) if isinstance(obj, Model) and obj.pk else None
        site = site_id if site_id is not None else current_site(request)
        return may(request.user, right, site)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, self.sees, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.can_add and current_site(request) is not None and self._may(request, self.changes, None)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.can_change and self._may(request, self.changes, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.can_delete and self._may(request, self.changes, obj)

    def object_for(self, request: HttpRequest, object_id: str, right: Right) -> Any:
        """The thing a page of our own is about; Http404 where it is not the user's to see, PermissionDenied where the
        role does not allow what the page does."""
        try:
            obj = self.get_queryset(request).get(pk=unquote(object_id))
        except (self.model.DoesNotExist, ValidationError, ValueError):
            raise Http404 from None
        if not self._may(request, right, obj):
            raise PermissionDenied
        return obj

    # --- forms
    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[Any]:
        request.form_site_id = self.site_id_of(obj) if obj and obj.pk else None
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"current_site": current_site(request)})

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*(super().get_exclude(request, obj) or ()), "site"]

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField | None:
        related = db_field.remote_field.model
        if "queryset" not in kwargs:
            kwargs["queryset"] = self.choices_of(request, related)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def choices_of(self, request: HttpRequest, related: type[Model]) -> QuerySet[Any]:
        """What of another model may be chosen: that of the same Site."""
        site_id = getattr(request, "form_site_id", None) or getattr(current_site(request), "pk", None)
        if related is Site:
            return sites_of(request.user, self.changes)
        if any(field.name == "site" for field in related._meta.get_fields()):
            return related._default_manager.filter(site_id=site_id)
        registered = self.admin_site._registry.get(related)
        return registered.get_queryset(request) if registered else related._default_manager.none()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for act in ("add", "change", "delete", "view"):
            if field is not None and hasattr(field.widget, f"can_{act}_related"):
                setattr(field.widget, f"can_{act}_related", False)
        return field

    # --- addresses
    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """What is not there, and what is another Site's, look the same."""
        raise Http404

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if "_site" in request.GET:
            if not choose_site(request):
                raise Http404
            return HttpResponseRedirect(request.path)
        return super().changelist_view(request, extra_context)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The address of an add form names its Site, so that a Site chosen in another tab does not change it."""
        site = current_site(request)
        if "_site" in request.GET and (site is None or str(site.pk) != request.GET["_site"]):
            raise Http404
        if not self.has_add_permission(request):
            raise PermissionDenied
        if self.site_lookup and request.method == "GET" and site is not None and "_site" not in request.GET:
            return HttpResponseRedirect(f"{request.path}?{urlencode({**request.GET.dict(), '_site': site.pk})}")
        own = self.add_page(request, site) if site is not None else None
        return own if own is not None else super().add_view(request, form_url, extra_context)

    def add_page(self, request: HttpRequest, site: Site) -> HttpResponse | None:
        """The page that makes a new thing on this Site; None for the form that Django makes of the model."""
        return None

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One form, one button."""
        one_button = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().changeform_view(request, object_id, form_url, one_button | (extra_context or {}))

    def page(
        self,
        request: HttpRequest,
        template: str,
        *,
        title: str,
        obj: Any = None,
        **context: Any,
    ) -> TemplateResponse:
        """A page of our own in the admin's frame."""
        request.current_app = self.admin_site.name
        frame = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": obj,
            "model_admin": self,
            "media": self.media,
            "has_change_permission": obj is not None and self.has_change_permission(request, obj),
        }
        return TemplateResponse(request, template, {**frame, **context})
