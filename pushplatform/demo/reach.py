"""Finds files that another system account can use, without opening anything that is closed to it."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from pushplatform.demo.process import Account

KEPT = Path("/var/lib/pushplatform-demo")  # root's own place: unlike /var/tmp no system service tidies it up
SOCKET_NAME = "/.s.PGSQL.5432"
SOCKET_PATH_MAX = 103  # bytes without the closing zero: macOS has the least, Linux allows 107


def unprivileged(data: Path) -> Account | None:
    """Who runs the database server: the owner of its files, `nobody` for a new one, None when we are not root."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        found = data.stat()
        return Account(found.st_uid, found.st_gid)
    nobody = pwd.getpwnam("nobody")  # every system has it; PostgreSQL wants an account with a name
    return Account(nobody.pw_uid, nobody.pw_gid)


def reachable(path: Path, account: Account | None) -> bool:
    """Whether `account` may pass through every folder above `path` and read and enter `path` itself."""
    if account is None:
        return os.access(path, os.R_OK | os.X_OK)
    path = path.resolve()
    if any(not _permits(folder, account, stat.S_IXOTH) for folder in path.parents):
        return False
    return _permits(path, account, stat.S_IXOTH | stat.S_IROTH)


def _permits(path: Path, account: Account, wanted: int) -> bool:
    """Whether the mode of `path` gives the bits `wanted` (written as those for others)."""
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid == account.uid:
        mode >>= 6
    elif found.st_gid == account.gid:
        mode >>= 3
    return mode & wanted == wanted


def private_place(home: Path) -> Path:
    """Root's folder for what belongs to `home` but must be reachable by an account that cannot enter `home`."""
    return KEPT / _mark(home)


def remove_private_places(home: Path) -> None:
    """Takes away what was laid outside `home` for it."""
    shutil.rmtree(private_place(home), ignore_errors=True)
    shutil.rmtree(_short_folder(home), ignore_errors=True)
    if KEPT.is_dir() and not any(KEPT.iterdir()):
        KEPT.rmdir()


def open_folder(path: Path) -> Path:
    """A folder of ours that everyone may pass through, whatever the umask; what is in it guards itself."""
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_uid == os.geteuid() and stat.S_IMODE(path.stat().st_mode) & 0o711 != 0o711:
        path.chmod(0o711)
    return path


def own_folder(path: Path, account: Account | None) -> Path:
    """A folder with mode 0700 that belongs to `account`.

    Raises PermissionError when somebody else has made it: in a shared folder such as /tmp that may be an attack.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        if account is not None:
            try:
                os.chown(path, account.uid, account.gid)
            except OSError:
                path.rmdir()
                raise
    found = path.lstat()
    owner = account.uid if account is not None else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        raise PermissionError(
            f"{path} belongs to the account number {found.st_uid}, not to {owner}. Remove it, or start as its owner."
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def socket_folder(place: Path, home: Path) -> Path:
    """Where the server's socket fits: beside the data, or in a short folder when that path is too long for a socket."""
    beside = place / "run"
    if len(os.fsencode(beside)) + len(SOCKET_NAME) <= SOCKET_PATH_MAX:
        return beside
    return _short_folder(home)


def _short_folder(home: Path) -> Path:
    base = tempfile.gettempdir()
    return Path(base if len(base) < 40 else "/tmp") / f"pushplatform-{os.geteuid()}-{_mark(home)}"


def _mark(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:10]


def open_copy(source: Path, target: Path) -> Path:
    """A copy of the tree `source` that everyone may read, made whole or not at all."""
    if target.is_dir():
        return target
    open_folder(target.parent)
    half = Path(tempfile.mkdtemp(dir=target.parent, prefix="copy-"))
    try:
        shutil.copytree(source, half / "tree", symlinks=True)
        for folder, _, files in os.walk(half / "tree"):
            os.chmod(folder, 0o755)
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o755 if os.access(path, os.X_OK) else 0o644)
        if not target.is_dir():
            (half / "tree").rename(target)
    finally:
        shutil.rmtree(half)
    return target
