"""Apart: a command run with a network, or a small disk, of its own, which end with it. Takes util-linux's unshare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["environment", "read_only", "with_network", "with_small_disk"]


def with_network(command: Sequence[str]) -> list[str]:
    """`command` in a network that has nothing but a loopback, which is down. It is root there."""
    return ["unshare", *(["--map-root-user"] if os.geteuid() else []), "--net", *command]


def with_small_disk(folder: Path, kilobytes: int, command: Sequence[str]) -> list[str]:
    """`command`, for which `folder` is an empty file system in memory of that size. It is who we are."""
    return _with_mount(f"mount -t tmpfs -o size={kilobytes}k,mode=777 none {folder}", command)


def read_only(folder: Path, command: Sequence[str]) -> list[str]:
    """`command`, for which `folder` is on a file system that takes no writes, whoever it is."""
    return _with_mount(f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}", command)


def _with_mount(mount: str, command: Sequence[str]) -> list[str]:
    if not os.geteuid():
        return ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *command]
    # To mount takes a root of one's own; then to be the same user again takes another name space, inside.
    again = f"unshare --user --map-user={os.getuid()} --map-group={os.getgid()}"
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", f'{mount} && exec {again} "$@"', "sh", *command]


def environment() -> dict[str, str]:
    """Ours, with the folders in which the system's tools are."""
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
