"""Becomes another program that sees a small file system in a folder; nobody else does, and it ends with the program.

`python on_small_disk.py FOLDER MEGABYTES PROGRAM ARGUMENT...`, as root or as anybody where user namespaces are allowed.
"""

import ctypes
import os
import sys

SMALL_DISK_REFUSED = "no small disk"
_NEW_NAMESPACES = 0x00020000 | 0x10000000  # CLONE_NEWNS | CLONE_NEWUSER


def main(folder: str, megabytes: str, program: list[str]) -> None:
    libc, user, group = ctypes.CDLL(None, use_errno=True), os.geteuid(), os.getegid()
    if libc.unshare(_NEW_NAMESPACES):
        sys.exit(f"{SMALL_DISK_REFUSED}: unshare: {os.strerror(ctypes.get_errno())}")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    if libc.mount(b"small", folder.encode(), b"tmpfs", 0, f"size={megabytes}m,mode=700".encode()):
        sys.exit(f"{SMALL_DISK_REFUSED}: mount: {os.strerror(ctypes.get_errno())}")
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
