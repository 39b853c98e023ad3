"""Every address of the admin, found in its URL patterns, so that a new page is tested without being named."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from tests.admin.house import House


@dataclass(frozen=True)
class Address:
    name: str
    arguments: tuple[str, ...]

    @property
    def model(self) -> str | None:
        """`app_model` where the address is one of a model's pages."""
        for model in admin.site._registry:
            label = f"{model._meta.app_label}_{model._meta.model_name}"
            if self.name.startswith(f"{label}_"):
                return label
        return None

    @property
    def about_one(self) -> bool:
        return "object_id" in self.arguments or "id" in self.arguments


def all_addresses() -> list[Address]:
    resolver = next(one for one in get_resolver().url_patterns if getattr(one, "namespace", None) == "admin")
    return sorted(set(_walk(resolver)), key=lambda one: one.name)


def _walk(resolver: URLResolver) -> Iterator[Address]:
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            yield from _walk(one)
        elif isinstance(one, URLPattern) and one.name:
            yield Address(one.name, tuple(one.pattern.converters))


def things_of(house: House) -> dict[str, list[Any]]:
    """What of a Site the pages of each model are about."""
    return {
        "sites_site": [house.site],
        "sites_vapidkey": [house.key, house.old_key],
        "sites_apiclient": [house.client],
        "api_requestline": [house.request_line],
        "sites_membership": list(house.site.memberships.all()),
        "subscribers_attribute": [house.attribute],
        "subscribers_contact": [house.contact],
        "subscribers_contactlist": [house.contact_list],
        "subscribers_pagetag": [house.page_tag],
        "subscribers_device": [house.device],
        "subscribers_purpose": list(house.site.purposes.all()),
        "subscribers_segment": [house.segment],
        "campaigns_campaign": [house.draft, house.sent],
        "auth_user": list(house.users.values()),
    }


def urls_about(house: House) -> list[tuple[str, str]]:
    """(name, path) of every page about a thing of this Site."""
    things = things_of(house)
    found = []
    for address in all_addresses():
        if address.model is None or not address.about_one:
            continue
        for thing in things[address.model]:
            arguments = {"object_id": thing.pk, "id": thing.pk, "key_id": house.api_key.pk}
            kwargs = {name: arguments[name] for name in address.arguments}
            found.append((address.name, reverse(f"admin:{address.name}", kwargs=kwargs)))
    return found


def general_urls() -> list[tuple[str, str]]:
    """(name, path) of every page that is about nothing in particular: home, lists, forms of new things, search."""
    found = []
    for address in all_addresses():
        if address.name in ("logout", "view_on_site") or address.about_one:
            continue
        try:
            arguments = {"app_label": "subscribers", "url": "nothing-here"}
            kwargs = {name: arguments[name] for name in address.arguments}
            found.append((address.name, reverse(f"admin:{address.name}", kwargs=kwargs)))
        except NoReverseMatch:
            continue  # the catch-all behind everything
    return found
