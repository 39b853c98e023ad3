"""What the demo keeps in its folder (`var/`): who may use it, that only one runs, and its secrets."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


class Unusable(Exception):
    """The demo's folder cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made at the first start. Passwords are short enough to type."""

    secret_key: str
    admin: str
    marketer: str


class State:
    """The folder of one demo."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.lock_file = folder / "demo.lock"
        self.panel_file = folder / "demo.json"
        self.ports_file = folder / "ports.json"
        self.secrets_file = folder / "secrets.json"
        self.postgres = folder / "postgres"
        self.localpush = folder / "localpush"
        self.logs = folder / "log"
        self.run = folder / "run"

    def foundation_file(self, database_url: str | None) -> Path:
        """Where the Site that was laid in a database is kept: another database has another Site. None: the embedded."""
        mark = hashlib.sha256(database_url.encode()).hexdigest()[:10] if database_url else "embedded"
        return self.folder / f"foundation-{mark}.json"

    def everything(self) -> list[Path]:
        """All that the demo makes in its folder."""
        files = [self.panel_file, self.ports_file, self.secrets_file, self.lock_file]
        return [self.postgres, self.localpush, self.logs, self.run, *self.folder.glob("foundation-*.json"), *files]

    def prepare(self) -> None:
        """Makes the folder; raises Unusable when it is somebody else's."""
        try:
            for folder in (self.folder, self.logs, self.postgres):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unusable(f"{error.filename} cannot be made: {error.strerror}. Check who owns its folder.") from None
        if os.geteuid() == 0:
            return
        for path in (self.folder, *self.folder.iterdir(), *self.logs.iterdir(), *self.postgres.iterdir()):
            owner = path.lstat().st_uid
            if owner != os.geteuid():
                other = _name(owner)
                raise Unusable(
                    f"{path} belongs to {other}: the demo was started as {other} before. Start it as {other} again, "
                    f"or forget that demo: run `make demo-reset` as {other}."
                )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one demo runs in a folder; raises Unusable when one does already."""
        with open(self.lock_file, "a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise Unusable(
                    f"The demo of {self.folder} runs already (process {lock.read().strip() or 'unknown'}). "
                    f"Its addresses are in {self.panel_file}."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def secrets(self) -> Secrets:
        """The demo's secrets, made when there are none."""
        file = self.secrets_file
        if file.exists():
            return Secrets(**json.loads(file.read_text()))
        made = Secrets(secrets.token_urlsafe(48), secrets.token_urlsafe(9), secrets.token_urlsafe(9))
        write_private(file, asdict(made))
        return made


def write_private(file: Path, content: Any) -> None:
    """Writes JSON that only the owner may read, whole or not at all."""
    half = file.with_name(file.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        half.unlink()
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(content, out, indent=2)
        out.write("\n")
    half.replace(file)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user with number {uid}"
