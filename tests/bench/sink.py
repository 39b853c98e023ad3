"""A push service for benchmarks in a process of its own: TLS, HTTP/2 and HTTP/1.1, 201 for everything."""

import json
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Sink:
    """Where the sink listens, and the certificate (PEM file) to trust."""

    base: str
    ca_file: str

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    def notes(self) -> dict[str, Any]:
        """Since `forget`: of calls to /counted/{number}-… their number `posts`, `devices` called, `doubled` calls and
        when the first and last came (`first_at`, `last_at`); of calls to /timed/{number}-… when each came (`timed`).
        Unix seconds.
        """
        with urllib.request.urlopen(f"{self.base}/notes", context=self.trust) as answer:
            notes: dict[str, Any] = json.load(answer)
        return notes

    def forget(self) -> None:
        urllib.request.urlopen(f"{self.base}/forget", b"", context=self.trust).close()


@contextmanager
def sink() -> Iterator[Sink]:
    """A running sink; its process ends with the block."""
    node = shutil.which("node")
    if node is None:
        raise SystemExit("the sink needs node: apt-get install nodejs")
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = _certificate(Path(folder))
        script = Path(__file__).with_name("sink.mjs")
        with subprocess.Popen(
            [node, str(script), str(key), str(certificate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the sink has no pipes")
            yield Sink(f"https://localhost:{int(process.stdout.readline())}", str(certificate))
            process.stdin.close()
            process.wait(5)


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
