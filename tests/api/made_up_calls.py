"""Read by Schemathesis in its own process: leads good calls to what is there; bad ones stay as bad as they are."""

import json
import os
import zlib
from typing import Any, Final

import schemathesis

Known = dict[str, list[str]]
"""Values that lead somewhere, by the name of the member or parameter."""

KNOWN: Final[Known] = json.loads(os.environ["MADE_UP_CALLS_KNOW"])
EXPENDABLE: Final[Known] = json.loads(os.environ["MADE_UP_CALLS_MAY_END"])
"""For the calls that end what they name: the others shall find something."""

_SOME: Final = 3
"""Of four made up values so many become one of these."""


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    if case.meta is None or case.meta.generation.mode != schemathesis.GenerationMode.POSITIVE:
        return
    ends = case.method == "DELETE" or case.path.endswith("/merge")
    case.path_parameters = led(case.path_parameters, KNOWN | EXPENDABLE if ends else KNOWN)
    case.query = led(case.query, KNOWN)
    if isinstance(case.body, dict):
        case.body = led(case.body, KNOWN)


def led(value: Any, known: Known, name: str = "") -> Any:
    """The same with some texts replaced by known ones; the same value always by the same one."""
    if isinstance(value, dict):
        return {member: led(inner, known, member) for member, inner in value.items()}
    if isinstance(value, list):
        return [led(inner, known, name) for inner in value]
    if isinstance(value, str) and name in known and value:
        drawn = zlib.crc32(value.encode("utf-8", "surrogatepass"))
        if drawn % 4 < _SOME:
            return known[name][drawn // 4 % len(known[name])]
    return value
