"""Becomes another program that dies with its parent; run by path, before anything of ours is imported.

A function between fork and exec is not safe in a process with threads, so this is a program of its own:
`python -I -S child.py PARENT_PID DEATH_SIGNAL UID:GID|- PROGRAM ARGUMENT...`
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, signal, account, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    # Loaded now: after the change of account Python's own files may be out of reach.
    libc = ctypes.CDLL(None, use_errno=True)
    if account != "-":
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it. It is kept over exec.
        libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)  # the parent died before we asked to be told
    os.execvp(program, sys.argv[4:])


main()
