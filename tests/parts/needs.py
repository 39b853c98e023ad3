"""Skips a test by name where a browser or server is missing; in CI that is a failure."""

import os
import shutil

import pytest

IN_CI = os.environ.get("CI", "").lower() == "true"


def require(condition: object, reason: str) -> None:
    """Skips with `reason` unless `condition` holds; fails instead when CI=true."""
    if condition:
        return
    if IN_CI:
        pytest.fail(f"{reason} (with CI=true nothing may be skipped)", pytrace=False)
    pytest.skip(reason)


def require_program(*names: str) -> str:
    """The path of the first of these programs that is installed; Debian's folders for servers are looked at too."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/lib/rabbitmq/bin"
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    require(False, f"{names[0]} is not installed (apt-get install {names[0]})")
    raise AssertionError("unreachable")
