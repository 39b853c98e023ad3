"""The form of a segment: its name, its note, and its definition as JSON."""

import json
from typing import Any, Final

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from campaigns import saved_segments
from pushplatform.sites.models import Site
from subscribers.errors import Fault, Invalid
from subscribers.models import Segment

LONGEST: Final = 200_000
"""Characters of a definition."""

NO_JSON: Final = "is no JSON: a comma or a quotation mark may be missing"


class SegmentForm(forms.Form):
    """`faults`: what is wrong with the definition, as the page's script reads it; `state`: the value of `seen` for the
    segment as it is, so that nobody overwrites unseen what somebody else saved."""

    name = forms.CharField(
        max_length=saved_segments.LONGEST_NAME,
        widget=UnfoldAdminTextInputWidget({"placeholder": "Active pros in Warsaw", "autocomplete": "off"}),
    )
    description = forms.CharField(
        label="Note",
        required=False,
        max_length=saved_segments.LONGEST_DESCRIPTION,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="What it is for. Optional.",
    )
    definition = forms.CharField(max_length=LONGEST, widget=forms.Textarea, strip=True)
    seen = forms.CharField(required=False)

    def __init__(self, *args: Any, site: Site, segment: Segment | None, **kwargs: Any):
        self.segment = segment or Segment(site=site, definition={"all": []})
        self.state = segment.updated_at.isoformat() if segment else ""
        self.title = segment.name if segment else "New segment"
        self.faults: list[dict[str, str]] = []
        kwargs["initial"] = {
            "name": self.segment.name,
            "description": self.segment.description,
            "definition": json.dumps(self.segment.definition, ensure_ascii=False, indent=2),
        }
        super().__init__(*args, **kwargs)

    def clean_definition(self) -> Any:
        try:
            return json.loads(self.cleaned_data["definition"])
        except (ValueError, RecursionError):
            self.faults = [{"at": "", "code": "no_json", "detail": NO_JSON}]
            raise forms.ValidationError(f"The definition {NO_JSON}.") from None

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("seen", "") not in ("", self.state):
            self.add_error(None, "Somebody else saved this segment meanwhile. Save again to put yours in its place.")
        return self.cleaned_data

    def save(self) -> Segment | None:
        """The saved segment; None when something is wrong, which is then beside its field."""
        for name in ("name", "description", "definition"):
            setattr(self.segment, name, self.cleaned_data[name])
        try:
            return saved_segments.save(self.segment)
        except Invalid as error:
            self.faults = faults_of(fault for fault in error.errors if fault.pointer.startswith("/definition"))
            for fault in error.errors:
                pointer = fault.pointer.removeprefix("/definition")
                if pointer != fault.pointer:
                    self.add_error("definition", f"{pointer}: {fault.detail}")
                else:
                    self.add_error("name", f"The name {fault.detail}.")
        return None


def faults_of(errors: Any) -> list[dict[str, str]]:
    """Faults for the page's script, their pointers within the definition."""
    found: list[Fault] = list(errors)
    return [
        {"at": fault.pointer.removeprefix("/definition"), "code": fault.code, "detail": fault.detail} for fault in found
    ]
