"""Becomes another program that dies with its parent; run by path, before anything of ours is imported.

A function between fork and exec is not safe in a process with threads, so this is a program of its own:
`python -I -S child.py PARENT_PID DEATH_SIGNAL UID:GID|- PROGRAM ARGUMENT...`
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(signal: int, parent: int, libc: ctypes.CDLL | None = None) -> None:
    """Asks the kernel for `signal` when the thread that started this process ends (Linux only).

    A change of account clears it, so ask afterwards; exec keeps it.
    """
    if sys.platform == "linux":
        (libc or ctypes.CDLL(None)).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it died before we asked to be told


def main() -> None:
    parent, signal, account, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    libc = ctypes.CDLL(None)  # loaded now: after the change of account Python's own files may be out of reach
    if account != "-":
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    die_with_parent(signal, parent, libc)
    os.execvp(program, sys.argv[4:])


if __name__ == "__main__":
    main()
