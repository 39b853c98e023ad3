"""A form field for one text in several languages: a row each of language and text."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.widgets import Widget
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget


class WordingTextsWidget(Widget):
    template_name = "subscribers/wording_texts.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        pairs = value if isinstance(value, list) else list((value or {"": ""}).items())
        language = UnfoldAdminTextInputWidget(
            {"placeholder": "en", "maxlength": 35, "aria-label": "Language", "size": 6}
        )
        text = UnfoldAdminTextareaWidget({"rows": 2, "maxlength": 2000, "aria-label": "Text"})
        rows = [
            {"language": language.render(f"{name}_language", one), "text": text.render(f"{name}_text", two)}
            for one, two in pairs
        ]
        return {**super().get_context(name, value, attrs), "rows": rows}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[tuple[str, str]]:
        if not hasattr(data, "getlist"):
            return []
        return list(zip(data.getlist(f"{name}_language"), data.getlist(f"{name}_text"), strict=False))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}_language" not in data


class WordingTextsField(forms.Field):
    """Texts by language; rows left empty do not count."""

    widget = WordingTextsWidget

    def to_python(self, value: Any) -> dict[str, str]:
        texts: dict[str, str] = {}
        for language, text in value or []:
            language, text = language.strip(), text.strip()
            if not language and not text:
                continue
            if not language or not text:
                raise ValidationError("Give each row both a language and a text, or leave it empty.")
            if language in texts:
                raise ValidationError(f"{language} stands here twice.")
            texts[language] = text
        return texts

    def validate(self, value: dict[str, str]) -> None:
        if not value:
            raise ValidationError("Give the text that people say yes or no to.")
