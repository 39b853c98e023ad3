"""What an error page shows of our variables: no push endpoint and no key of a subscription, not even with DEBUG."""

import re
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

_ADDRESS = re.compile(r"(https?://[^\s/'\"\\]+/)[^\s'\"\\,)]+")
_IN_MAPPING = re.compile(r"((?:p256dh|auth|private_key)['\"]?\s*[:=]\s*)b?(?:'[^']*'|\"[^\"]*\")")
_NAMES = re.compile("p256dh|auth|private|secret|token|password", re.IGNORECASE)


class WithoutEndpoints(SafeExceptionReporterFilter):
    """Cuts every address after its host, since an endpoint is a capability (RFC 8030 §8.3), and blanks keys."""

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> list[tuple[str, Any]]:
        found = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, self.cleansed_substitute if _NAMES.search(name) else _Censored(value)) for name, value in found]


class _Censored:
    """Prints itself as the value would, without what must not be seen."""

    def __init__(self, value: Any):
        self._value = value

    def __repr__(self) -> str:
        text = self._value if isinstance(self._value, str) else repr(self._value)
        shown = _IN_MAPPING.sub(r"\1…", _ADDRESS.sub(r"\1…", text))
        return repr(shown) if isinstance(self._value, str) else shown
