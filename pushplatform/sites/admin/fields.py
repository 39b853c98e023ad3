"""Form fields for what text boxes can say: lists, one thing a line."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget


class LinesField(forms.Field):
    """A list of texts, one a line; blank lines do not count. `check` is called with each and raises ValidationError."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, *, check: Any = None, max_length: int = 255, rows: int = 3, **kwargs: Any):
        self.check = check
        self.max_length = max_length
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget({"rows": rows}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, list | tuple):
            return list(value)
        return list(dict.fromkeys(line.strip() for line in (value or "").splitlines() if line.strip()))

    def validate(self, value: list[str]) -> None:
        super().validate(value)
        wrong = []
        for line in value:
            if len(line) > self.max_length:
                wrong.append(f"{line[:40]}… is longer than {self.max_length} characters.")
            elif self.check is not None:
                try:
                    self.check(line)
                except ValidationError as error:
                    wrong += error.messages
        if wrong:
            raise ValidationError(wrong)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.to_python(data)
