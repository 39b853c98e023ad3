"""What this app refuses. Edges turn it into problem+json or into errors beside form fields."""

from collections.abc import Sequence
from typing import NamedTuple


class Fault(NamedTuple):
    """One wrong thing: where (a JSON pointer into the input), a stable code, a sentence that says what to do."""

    pointer: str
    code: str
    detail: str


class Refused(Exception):
    """The act was refused and changed nothing."""


class Invalid(Refused):
    """The input is wrong; `errors` names every wrong member."""

    def __init__(self, errors: Sequence[tuple[str, str, str]]):
        self.errors = [Fault(*error) for error in errors]
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in self.errors))


class Conflict(Refused):
    """The input is sound, but what is known of the person or the browser forbids it."""

    def __init__(self, code: str, detail: str):
        super().__init__(detail)
        self.code = code
        self.detail = detail


class NotFound(Refused):
    """No such thing for whoever asks."""
