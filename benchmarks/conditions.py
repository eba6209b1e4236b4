"""Conditions: the machine, the versions and the day that figures belong to."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

__all__ = ["Conditions", "conditions"]

PACKAGES = (
    "sojourn",
    "starlette",
    "itsdangerous",
    "starsessions",
    "flask",
    "flask-session",
    "redis",
    "hiredis",
    "psycopg",
    "uvicorn",
    "uvloop",
    "msgspec",
)
EXPRESS_PACKAGES = ("express", "express-session", "connect-redis", "redis")
LOCK = Path(__file__).parent / "express" / "package-lock.json"


class Conditions(msgspec.Struct, frozen=True):
    """`load` is the machine's average of the minute before: other programs made figures worse if it was not near 0."""

    date: str
    processor: str
    cores: int
    system: str
    load: float
    versions: dict[str, str]

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{self.date}. {self.processor}, {self.cores} cores, {self.system}; load before the run {self.load:.1f}. "
            f"{versions}. asyncio's own event loop, but over HTTP; files in the system's temporary folder."
        )


def conditions(servers: dict[str, str]) -> Conditions:
    """Those of here and now, with the versions of `servers`."""
    versions = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version, **servers}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    locked = msgspec.json.decode(LOCK.read_bytes())["packages"]
    versions |= {f"{name} (npm)": locked[f"node_modules/{name}"]["version"] for name in EXPRESS_PACKAGES}
    return Conditions(
        date=datetime.now(UTC).date().isoformat(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        load=os.getloadavg()[0],
        versions=versions,
    )


def _processor() -> str:
    """What Linux calls it; elsewhere the architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
