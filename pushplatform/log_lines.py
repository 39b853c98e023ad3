"""What no log line may hold: rows that PostgreSQL quotes in its errors, what comes after the host of an address, and
paths that were asked for.

An endpoint is a capability (RFC 8030 §8.3), a refused row is personal data, and a path may hold a customer's id or a
click's token. Records are cut when they are made, so
that no handler, ours, Celery's or the web server's, has anything else to print.
"""

import logging
import logging.config
import re
import traceback
from collections.abc import Iterator
from typing import Any, Final

_ADDRESS: Final = re.compile(r"(https?://[^\s/?#'\"\\<>]+)[/?#][^\s'\"\\<>]*")
# Values may hold line breaks, so there is no telling where a quoted row ends. As a repr shows it, the break is escaped.
_QUOTED: Final = re.compile(r"(?:^[ |]*|\\n)(?:DETAIL|CONTEXT):.*\Z", re.MULTILINE | re.DOTALL)


def configure(config: dict[str, Any]) -> None:
    """Sets up logging as LOGGING says, with records that are cut; Django calls it (LOGGING_CONFIG)."""
    logging.setLogRecordFactory(CutRecord)
    logging.config.dictConfig(config)


def cut(text: str) -> str:
    """The text of a message or of one exception without paths of addresses and without rows of the database."""
    if "DETAIL:" in text or "CONTEXT:" in text:
        text = _QUOTED.sub("…", text)
    return _ADDRESS.sub(r"\1/…", text) if "://" in text else text


class CutRecord(logging.LogRecord):
    """A log record whose message and exceptions are cut."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        error = self.exc_info[1] if self.exc_info else None
        if error is not None:
            self.exc_text = "".join(_told(error)).rstrip("\n")  # formatters take what is there

    def getMessage(self) -> str:
        request = self.__dict__.get("request")  # Django tells of which request it speaks
        if request is not None and isinstance(self.args, tuple):
            path = request.path.encode("unicode_escape").decode("ascii")  # as Django hands it on
            self.args = tuple(_route(request) if one == path else one for one in self.args)
        return cut(super().getMessage())


def _route(request: Any) -> str:
    """The pattern of the request's path; of a path that is none of ours no more than where it begins."""
    match = request.resolver_match
    if match is not None:
        return f"/{match.route}"
    first, slash, _ = request.path.removeprefix("/").partition("/")
    return f"/{first}/…" if slash else "/…"


def _told(error: BaseException) -> Iterator[str]:
    """The traceback as Python prints it, each of the chain's exceptions cut by itself."""
    chain: list[tuple[BaseException, str]] = [(error, "")]
    while True:
        newest = chain[-1][0]
        if newest.__cause__ is not None:
            before, link = newest.__cause__, "The above exception was the direct cause of the following exception:"
        elif newest.__context__ is not None and not newest.__suppress_context__:
            before, link = newest.__context__, "During handling of the above exception, another exception occurred:"
        else:
            break
        if any(before is one for one, _ in chain):
            break
        chain.append((before, f"\n{link}\n\n"))
    for one, link in reversed(chain):
        yield cut("".join(traceback.format_exception(one, chain=False))).rstrip("\n") + "\n" + link
