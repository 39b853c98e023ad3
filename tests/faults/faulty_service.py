"""A push service in a process of its own that fails on command, and counts who was called how often."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.parts.needs import require_program
from tests.webpush.conftest import Certificate


@dataclass(frozen=True)
class FaultyService:
    """Where it listens, and the certificate (PEM file) to trust."""

    base: str
    ca_file: str

    def notes(self) -> dict[str, Any]:
        """`posts`, `devices` called, `doubled` calls, the `most` calls of one device, `last` (Unix seconds), what was
        `answered` how often, paths called `elsewhere`, and the calls of the `first` hundred devices.
        """
        return self._get("/notes")

    def release(self) -> None:
        """Answers what it has held back, and holds nothing any more."""
        self._get("/release")

    def _get(self, path: str) -> dict[str, Any]:
        trust = ssl.create_default_context(cafile=self.ca_file)
        with urllib.request.urlopen(f"{self.base}{path}", context=trust) as answer:
            notes: dict[str, Any] = json.load(answer)
        return notes


@contextmanager
def faulty_service(certificate: Certificate, **options: Any) -> Iterator[FaultyService]:
    """A running push service; its options stand at the head of faulty_service.mjs."""
    script = Path(__file__).with_name("faulty_service.mjs")
    words = [require_program("node"), str(script), certificate.key, certificate.file, json.dumps(options)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield FaultyService(f"https://localhost:{int(process.stdout.readline())}", certificate.file)
        process.stdin.close()
        process.wait(30)
