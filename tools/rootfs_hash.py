#!/usr/bin/env python3
"""Prints the SHA-256 over a prepared root: rootfs_hash.py DIR [--verify].

Names, kinds, modes, owners, links and contents of everything but rootfs.key and rootfs.sha256. With
--verify it is compared with DIR/rootfs.sha256. Fails when something in the root gains rights when
executed, belongs to another than root or may be written by others.
"""

import hashlib
import os
import pathlib
import stat
import sys

OWN = {"rootfs.key", "rootfs.sha256"}


def entries(root):
    for folder, names, files in os.walk(root):
        names.sort()
        for name in sorted(names + files):
            path = pathlib.Path(folder, name)
            if not (folder == str(root) and name in OWN):
                yield path


def complaint(path, info):
    if info.st_uid != 0:
        return f"belongs to uid {info.st_uid}"
    if stat.S_ISLNK(info.st_mode):
        return None
    if not stat.S_ISREG(info.st_mode) and not stat.S_ISDIR(info.st_mode):
        return "is neither a file nor a folder nor a link"
    if info.st_mode & 0o022 and not (info.st_gid == 0 and not info.st_mode & 0o002):
        return "may be written by others"
    if stat.S_ISREG(info.st_mode):
        if info.st_mode & 0o6000:
            return "has the setuid or setgid bit"
        if "security.capability" in os.listxattr(path):
            return "has file capabilities"
    return None


def root_hash(root):
    total = hashlib.sha256()
    for path in entries(root):
        info = path.lstat()
        wrong = complaint(path, info)
        if wrong:
            sys.exit(f"rootfs_hash.py: {path} {wrong}")
        if stat.S_ISREG(info.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        else:
            content = ""
        line = f"{path.relative_to(root)}\0{info.st_mode:o}\0{info.st_uid}:{info.st_gid}\0{content}\n"
        total.update(line.encode(errors="surrogateescape"))
    return total.hexdigest()


def main():
    root = pathlib.Path(sys.argv[1])
    found = root_hash(root)
    if sys.argv[2:] == ["--verify"]:
        recorded = (root / "rootfs.sha256").read_text().strip()
        if found != recorded:
            sys.exit(f"rootfs_hash.py: {root} has changed: {found}, recorded {recorded}")
        print(f"{root}: unchanged")
    else:
        print(found)


if __name__ == "__main__":
    main()
