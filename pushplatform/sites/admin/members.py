"""Members of a Site and, for superusers, users. Who is added without an account gets one, with a first password that
is shown once."""

import secrets
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import display
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from pushplatform.sites.access import Right, is_superuser
from pushplatform.sites.admin.scope import SiteForm, SiteScopedAdmin, when
from pushplatform.sites.models import Membership


class MembershipForm(SiteForm):
    username = forms.CharField(
        label="User name",
        max_length=150,
        validators=[User.username_validator],
        widget=UnfoldAdminTextInputWidget,
        help_text="Of a colleague with an account, or a new name: then the account is made.",
    )

    class Meta:
        model = Membership
        fields = ("role",)
        widgets = {"role": UnfoldAdminRadioSelectWidget}

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields.pop("username", None)

    def clean_username(self) -> str:
        name = User.normalize_username(self.cleaned_data["username"].strip())
        user = User.objects.filter(username=name).first()
        if user is not None and not (user.is_active and user.is_staff):
            raise ValidationError("This account may not use the admin. Ask whoever runs the platform.")
        if user is not None and Membership.objects.filter(user=user, site=self.instance.site).exists():
            raise ValidationError(f"{name} is a member of this site already. Change the role there.")
        return name


@admin.register(Membership)
class MembershipAdmin(SiteScopedAdmin):
    sees = Right.ADMINISTER
    form = MembershipForm
    list_display = ("user", "role_in_a_word", "what_it_allows")
    list_select_related = ("user",)
    ordering = ("user__username",)
    readonly_fields = ("user",)
    fields = ("user", "role")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("user", "role") if obj else ("username", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("user",) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_not_own(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_not_own(request, obj) and super().has_delete_permission(request, obj)

    def _is_not_own(self, request: HttpRequest, obj: Any) -> bool:
        """Nobody locks himself out by mistake."""
        return not isinstance(obj, Membership) or obj.user_id != request.user.pk or is_superuser(request.user)

    @display(description="Role", ordering="role")
    def role_in_a_word(self, membership: Membership) -> str:
        return membership.get_role_display().split(":")[0]

    @display(description="May")
    def what_it_allows(self, membership: Membership) -> str:
        return membership.get_role_display().split(": ")[1].capitalize()

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if not change:
            obj.user, password = _account(form.cleaned_data["username"])
            if password:
                request.first_password = password
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Membership, post_url_continue: Any = None) -> HttpResponse:
        password = getattr(request, "first_password", None)
        if password is None:
            messages.success(request, f"{obj.user} is a member of {obj.site} now.")
            return super().response_post_save_add(request, obj)
        return self.page(
            request, "sites/first_password.html", title="Account made", obj=obj, membership=obj, password=password
        )


def _account(username: str) -> tuple[User, str | None]:
    """The account of this name; a new one comes with its first password."""
    password = secrets.token_urlsafe(12)
    user, made = User.objects.get_or_create(username=username, defaults={"is_staff": True})
    if not made:
        return user, None
    user.set_password(password)
    user.save(update_fields=["password"])
    return user, password


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    fields = ("site", "role")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_superuser(request.user)

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission


class SuperuserOnly:
    """Users have no Site: only a superuser sees them all."""

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        raise Http404

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_superuser(request.user)

    has_change_permission = has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request.user)


admin.site.unregister(User)
admin.site.unregister(Group)  # rights come from Membership


@admin.register(User)
class PlatformUserAdmin(SuperuserOnly, UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = [MembershipInline]
    actions = None
    list_display = ("username", "email", "is_active", "is_superuser", "seen_at")
    list_filter = ("is_active", "is_superuser")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password_link")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "Access",
            {
                "fields": ("is_active", "is_staff", "is_superuser"),
                "description": "Staff may log in here and see the sites they are members of. Superusers see all.",
            },
        ),
        ("Dates", {"fields": ("seen_at", "joined_at")}),
    )
    readonly_fields = ("password_link", "seen_at", "joined_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        queryset = super().get_queryset(request)
        return queryset if is_superuser(request.user) else queryset.none()

    @display(description="Password")
    def password_link(self, user: User) -> str:
        """Where it is changed; not even its hash is shown."""
        if not user.pk:
            return ""
        address = reverse("admin:auth_user_password_change", args=[user.pk])
        return format_html('<a class="pp-link" href="{}">Set a new password</a>', address)

    @display(description="Last log-in", ordering="last_login", empty_value="never")
    def seen_at(self, user: User) -> str | None:
        return when(user.last_login)

    @display(description="Since", ordering="date_joined")
    def joined_at(self, user: User) -> str | None:
        return when(user.date_joined)
