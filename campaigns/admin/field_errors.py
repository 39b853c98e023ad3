"""What the domain found wrong, beside the form field it is about. The domain names members of content and options, such
as `content.actions.0.url`; the form has a field for each."""

from collections.abc import Iterable

from campaigns.admin.compose_form import BUTTONS, ComposeForm

OPTION_FIELDS = {"ttl": "ttl_number"}
CONTENT_FIELDS = {"title", "body", "url", "image", "icon", "require_interaction"}

Wrong = tuple[str, str, str]
"""Field as the domain names it, code, sentence."""


def put_beside_fields(form: ComposeForm, errors: Iterable[Wrong]) -> list[str]:
    """Gives each error to its field (`notes`) or translation; gives back the sentences that belong to none."""
    left: list[str] = []
    for name, sentences in sorted_by_field(form, errors).items():
        if name.startswith("translation-"):
            for sentence in sentences:
                form.note_translation(int(name.removeprefix("translation-")), "", sentence)
        elif name:
            form[name].notes = sentences
        else:
            left += sentences
    return left


def sorted_by_field(form: ComposeForm, errors: Iterable[Wrong]) -> dict[str, list[str]]:
    """Sentences by form field; of no field under `""`, of a translation under `translation-0` and so on."""
    found: dict[str, list[str]] = {}
    for path, _, detail in errors:
        found.setdefault(_field_of(form, path), []).append(detail)
    return found


def _field_of(form: ComposeForm, path: str) -> str:
    where, _, rest = path.partition(".")
    if where == "content":
        return _content_field(form, rest.split("."))
    name = OPTION_FIELDS.get(rest, rest) if where == "options" else where
    return name if name in form.fields else ""


def _content_field(form: ComposeForm, parts: list[str]) -> str:
    match parts:
        case [name] if name in CONTENT_FIELDS:
            return name
        case ["actions", number, *member] if number.isdigit():
            used = [one for one in BUTTONS if _has_button(form, one)]
            button = used[int(number)] if int(number) < len(used) else BUTTONS[-1]
            return f"button_{button}_{'url' if member == ['url'] else 'title'}"
        case ["translations", language, *_]:
            for row, one in enumerate(form.translations):
                if one["language"].strip().lower() == language.lower():
                    return f"translation-{row}"
    return ""


def _has_button(form: ComposeForm, number: int) -> bool:
    return any((form[f"button_{number}_{part}"].value() or "").strip() for part in ("title", "url"))
