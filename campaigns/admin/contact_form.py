"""A contact as an administrator writes it; the domain checks it, as it does what the CRM sends."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from pushplatform.sites.admin.fields import LinesField
from pushplatform.sites.models import Site
from subscribers import upserting
from subscribers.errors import Conflict, Invalid
from subscribers.models import Contact

LONGEST = 50_000


class ContactForm(forms.Form):
    external_id = forms.CharField(
        label="CRM id",
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="As the CRM writes it. It never changes.",
    )
    attributes = forms.CharField(
        required=False,
        max_length=LONGEST,
        widget=UnfoldAdminTextareaWidget({"rows": 8, "class": "pp-mono", "spellcheck": "false"}),
        help_text='JSON, for example {"first_name": "Anna", "plan": "pro"}.',
    )
    tags = LinesField(required=False, rows=3, help_text="One a line.")
    owner = forms.CharField(
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="The id of the sales person in charge.",
    )
    language = forms.CharField(required=False, max_length=35, widget=UnfoldAdminTextInputWidget({"placeholder": "pl"}))
    time_zone = forms.CharField(
        required=False, max_length=64, widget=UnfoldAdminTextInputWidget({"placeholder": "Europe/Warsaw"})
    )

    def __init__(self, *args: Any, site: Site, contact: Contact | None, **kwargs: Any):
        self.site, self.contact = site, contact
        if contact is not None:
            kwargs["initial"] = {
                name: getattr(contact, name) for name in ("tags", "owner", "language", "time_zone")
            } | {"attributes": json.dumps(contact.attributes, ensure_ascii=False, indent=2)}
        super().__init__(*args, **kwargs)
        if contact is not None:
            del self.fields["external_id"]

    def clean_external_id(self) -> str:
        external_id: str = self.cleaned_data["external_id"]
        if Contact.objects.filter(site=self.site, external_id=external_id).exists():
            raise ValidationError("A contact with this CRM id is there already. Find it in the list.")
        return external_id

    def clean_attributes(self) -> dict[str, Any]:
        try:
            attributes = json.loads(self.cleaned_data["attributes"] or "{}")
        except (ValueError, RecursionError):
            raise ValidationError("This is no JSON. A comma or a quotation mark may be missing.") from None
        if not isinstance(attributes, dict):
            raise ValidationError('It must be an object, such as {"plan": "pro"}.')
        return attributes

    def save(self) -> Contact | None:
        """The contact as it is kept now; None when the domain refuses, with its reasons beside the fields."""
        given = self.cleaned_data
        external_id = self.contact.external_id if self.contact else given["external_id"]
        values = {name: given[name] for name in ("attributes", "tags", "owner", "language", "time_zone")}
        try:
            return upserting.upsert(self.site, external_id, **values)
        except Invalid as refused:
            for fault in refused.errors:
                name = fault.pointer.strip("/").split("/")[0]
                where = fault.pointer.removeprefix(f"/{name}").strip("/")
                said = f"{where}: {fault.detail}." if where else f"{fault.detail[:1].upper()}{fault.detail[1:]}."
                self.add_error(name if name in self.fields else None, said)
        except Conflict as refused:
            self.add_error(None, refused.detail)
        return None
