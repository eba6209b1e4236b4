"""Apart: a command run with a network, or a small disk, of its own, which end with it. Takes util-linux's unshare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["environment", "with_network", "with_small_disk"]


def with_network(command: Sequence[str]) -> list[str]:
    """`command` in a network that has nothing but a loopback, which is down. It is root there."""
    return ["unshare", *(["--map-root-user"] if os.geteuid() else []), "--net", *command]


def with_small_disk(folder: Path, kilobytes: int, command: Sequence[str]) -> list[str]:
    """`command`, for which `folder` is an empty file system in memory of that size. It is who we are."""
    mount = f"mount -t tmpfs -o size={kilobytes}k,mode=777 none {folder}"
    if not os.geteuid():
        return ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *command]
    # To mount takes a root of one's own; then to be the same user again takes another name space, inside.
    again = f"--user --map-user={os.getuid()} --map-group={os.getgid()}"
    return [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        f'{mount} && exec unshare {again} "$@"',
        "sh",
        *command,
    ]


def environment() -> dict[str, str]:
    """Ours, with the folders in which the system's tools are."""
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
