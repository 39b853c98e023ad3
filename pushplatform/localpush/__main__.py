"""Start the push service: python -m pushplatform.localpush"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pushplatform.localpush.journal import StateUnusable
from pushplatform.localpush.server import Options, run

_DESCRIPTION = """\
A push service on this machine, to web push what a mail catcher is to e-mail.

It takes push messages as the push services of Mozilla, Google and Apple do, hands them to simulated browsers that
decrypt them and report back, and to a real Firefox that is pointed at it. The page at its address shows what arrived
and switches faults on. Nothing leaves this machine."""

_EPILOG = """\
Point Firefox at it (about:config):
  dom.push.serverURL                         ws://127.0.0.1:9700/
  dom.push.testing.allowInsecureServerURL    true
  dom.push.connection.enabled                true

See docs/localpush.md for the addresses it answers."""


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("must be an address like http://push.example:9700")
    return text


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pushplatform.localpush",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", type=_whole(0, 65535), default=9700, help="port to listen on; 0 takes a free one (9700)")
    add(
        "--public-url",
        type=_public_url,
        metavar="URL",
        help="address that endpoints begin with and senders sign for, when it is not http://HOST:PORT",
    )
    add("--state-dir", type=Path, metavar="DIR", help="keep browsers, messages and inbox here; without it, in memory")
    add("--keep", type=_whole(1, 1_000_000), default=5000, metavar="N", help="messages the inbox holds (5000)")
    add("--tls-cert", type=Path, metavar="FILE", help="certificate chain in PEM, to serve https and wss")
    add("--tls-key", type=Path, metavar="FILE", help="private key of the certificate, in PEM")
    add(
        "--log-level",
        choices=("error", "warning", "info", "debug"),
        default="warning",
        help="how much to log (warning)",
    )
    return parser


def _options() -> Options:
    parser = _parser()
    given = parser.parse_args()
    for name in ("tls_cert", "tls_key"):
        path = getattr(given, name)
        if path is not None and not path.is_file():
            parser.error(f"--{name.replace('_', '-')}: {path} is no file")
    if (given.tls_cert is None) != (given.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    return Options(
        host=given.host,
        port=given.port,
        public_url=given.public_url,
        state_dir=given.state_dir,
        keep=given.keep,
        certificate=given.tls_cert,
        private_key=given.tls_key,
        log_level=given.log_level,
    )


def main() -> int:
    """Run until told to end; 0 after a clean end, 1 when it could not start."""
    options = _options()
    try:
        run(options, lambda base: print(f"localpush is ready at {base}/", flush=True))
    except StateUnusable as problem:
        print(f"localpush cannot start: {problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"localpush cannot listen on {options.host}:{options.port}: {problem.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
