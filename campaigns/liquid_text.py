"""One text of a notification as a Liquid template: parsed once, filled per device, bounded in size and work."""

import functools
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

from liquid import BlockNode, BoundTemplate, Environment, RenderContext, Token
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.builtin.tags.tablerow_tag import TablerowNode, TablerowTag
from liquid.exceptions import LiquidError
from liquid.stringify import to_liquid_string

MAX_SOURCE = 4000
"""Characters of one template."""

MAX_OUTPUT = 10_000
"""Characters that one text, or one step of its making, may have: twice what a push message can carry."""

MAX_ITEMS = 5_000
"""Rounds of all loops of one text, and items of a range given to a filter."""

MAX_SECONDS = 0.1
"""Of processor time for one text; a text with a hundred values takes a hundredth of that."""

ROOTS = frozenset({"params", "contact", "device"})
"""What a template can read: `params.*` of the recipient, `contact.*`, `device.*`."""

Members = Mapping[str, frozenset[str] | None]
"""By root, the names of the members that are read of it; None where that can be any."""

_PROPERTIES = frozenset({"size", "first", "last"})  # of a root without such a member they speak of the whole root


class BrokenTemplate(ValueError):
    """The text is not a template we take; the message says what is wrong and where."""


class RenderFailed(ValueError):
    """A template could not be filled with this data."""


class _Allowance(threading.local):
    """The processor time that a text may take, for each thread: data and templates may be made to take for ever."""

    end = math.inf

    def begin(self) -> None:
        self.end = time.thread_time() + MAX_SECONDS

    def check(self) -> None:
        if time.thread_time() > self.end:
            raise LiquidError(f"it takes longer than {MAX_SECONDS} seconds", token=None)


_allowance = _Allowance()


class _TimedBlock(BlockNode):
    """What a loop repeats: a round of it is short, the template's length bounds that."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        _allowance.check()
        return super().render_to_output(context, buffer)


class _ForNode(ForNode):
    __slots__ = ()

    def __init__(self, token: Token, expression: LoopExpression, block: BlockNode, default: BlockNode | None = None):
        super().__init__(token, expression, _TimedBlock(block.token, block.nodes), default)


class _ForTag(ForTag):
    node_class = _ForNode


class _TablerowNode(TablerowNode):
    __slots__ = ()

    def __init__(self, token: Token, expression: LoopExpression, block: BlockNode):
        super().__init__(token, expression, _TimedBlock(block.token, block.nodes))


class _TablerowTag(TablerowTag):
    node_class = _TablerowNode


class _Environment(Environment):
    loop_iteration_limit = MAX_ITEMS
    local_namespace_limit = 10 * MAX_OUTPUT
    output_stream_limit = 4 * MAX_OUTPUT  # octets
    context_depth_limit = 20


def _bounded(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """The filter with limits on what goes in and comes out: a chain of them could else fill the memory."""

    @functools.wraps(filter_)  # keeps the marks by which the library passes a context
    def bounded(left: Any, *args: Any, **kwargs: Any) -> Any:
        _allowance.check()
        for value in (left, *args):
            if isinstance(value, range) and len(value) > MAX_ITEMS:
                raise LiquidError(f"a range has more than {MAX_ITEMS} items", token=None)
        result = filter_(left, *args, **kwargs)
        if isinstance(result, str) and len(result) > MAX_OUTPUT:
            raise LiquidError(f"a text grows beyond {MAX_OUTPUT} characters", token=None)
        return result

    return bounded


def _environment() -> Environment:
    environment = _Environment()
    for tag in ("include", "render"):  # there is nothing to include
        del environment.tags[tag]
    environment.add_tag(_ForTag)
    environment.add_tag(_TablerowTag)
    environment.filters = {name: _bounded(filter_) for name, filter_ in environment.filters.items()}
    return environment


_ENVIRONMENT = _environment()
# What filters raise on data that nobody foresaw, besides LiquidError.
_DATA_ERRORS = (LiquidError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def has_markup(source: str) -> bool:
    return "{{" in source or "{%" in source


class Text:
    """A parsed text.

    `source`: as written; `literal`: it has no markup; `always`: the part that is put out whatever the data;
    `reads`: those of ROOTS it uses, with the members; `unknown`: other variables it reads, empty for everyone;
    `timeless`: it gives the same for the same data whenever it is filled.
    """

    __slots__ = ("_template", "always", "literal", "reads", "source", "timeless", "unknown")

    def __init__(self, source: str):
        """Raises BrokenTemplate."""
        self.source = source
        self._template: BoundTemplate | None = None
        self.always, self.unknown, self.timeless = source, frozenset[str](), True
        self.reads: Members = {}
        self.literal = not has_markup(source)
        if not self.literal:
            self._parse()

    def _parse(self) -> None:
        try:
            self._template = template = _ENVIRONMENT.from_string(self.source)
            analysis = template.analyze()
        except LiquidError as error:
            raise BrokenTemplate(_said(error)) from None
        unknown = sorted(set(analysis.filters) - set(_ENVIRONMENT.filters))
        if unknown:
            raise BrokenTemplate(f"there is no filter named {unknown[0]}")
        self.unknown = frozenset(analysis.globals) - ROOTS
        self.reads = {
            root: _members([one.segments for one in found]) for root, found in analysis.globals.items() if root in ROOTS
        }
        self.timeless = not self.unknown and "date" not in analysis.filters
        self.always = "".join(node.text for node in template.nodes if isinstance(node, ContentNode))

    def bind(self, scope: Mapping[str, Any]) -> Callable[[], str]:
        """A function that fills the text with what `scope` (not empty) then holds; it raises RenderFailed."""
        template = self._template
        if template is None:
            return lambda: self.source
        nodes = [node for node in template.nodes if isinstance(node, ContentNode | OutputNode)]
        if len(nodes) < len(template.nodes):
            return functools.partial(_guarded, lambda: template.render(scope))
        # Texts and outputs only: nothing is assigned, so that one context serves every device (half the time).
        context = RenderContext(template, globals=scope)
        parts = [node.text if isinstance(node, ContentNode) else node.expression for node in nodes]

        def fill() -> str:
            return "".join([p if isinstance(p, str) else to_liquid_string(p.evaluate(context), False) for p in parts])

        return functools.partial(_guarded, fill)


def _members(paths: Iterable[Sequence[object]]) -> frozenset[str] | None:
    """The names that come second in these paths; None when one of them is the whole root, or not a name."""
    names = [path[1] if len(path) > 1 else None for path in paths]
    is_plain = all(isinstance(name, str) and name not in _PROPERTIES for name in names)
    return frozenset(str(name) for name in names) if is_plain else None


def _guarded(fill: Callable[[], str]) -> str:
    _allowance.begin()
    try:
        return fill()
    except _DATA_ERRORS as error:
        raise RenderFailed(_said(error)) from None


def _said(error: Exception) -> str:
    if not isinstance(error, LiquidError):
        return f"a value does not fit ({type(error).__name__})"
    text = str(error.message or type(error).__name__).strip().rstrip(".")
    token = getattr(error, "token", None)
    where = token.start_index if token is not None else -1
    return f"{text} (at character {where + 1})" if where >= 0 else text
