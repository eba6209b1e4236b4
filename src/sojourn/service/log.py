"""The service's log: a line for a person, or one JSON object a line. No secret gets through."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from sojourn.core.events import Ended, Event, LoggedIn, RotationStalled, TokenReused

__all__ = ["LogFormat", "LogLevel", "hide_secrets", "set_up_logging", "tell"]

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

logger = logging.getLogger("sojourn.events")

_secret = re.compile(r"(sj1-[0-9a-f]{32}|sjk1-[0-9a-f]{8})-[0-9a-f]{64}").sub
_words = re.compile(r"(?<!^)(?=[A-Z])").sub
_LEVELS: dict[type[Event], int] = {
    TokenReused: logging.WARNING,
    RotationStalled: logging.WARNING,
    LoggedIn: logging.INFO,
    Ended: logging.INFO,
}


def hide_secrets(text: str) -> str:
    """`text` without the secret half of a token or API key.

    Nothing here logs one on purpose; a decoder's words, a traceback or another library's line might hold one.
    """
    return _secret(r"\1-hidden", text)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = getattr(record, "told", {})
        # As JSON, in ASCII: a user's id comes from strangers and must not steer a terminal or break the line.
        pairs = "".join(f" {name}={_ascii(value)}" for name, value in told.items())
        at = datetime.fromtimestamp(record.created, UTC).isoformat(" ", "milliseconds")[:-6]
        line = f"{at} {record.levelname.lower():7} {record.getMessage()}{pairs}"
        return hide_secrets(line + _traceback(self, record))


class _JSON(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        members = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "told", {}),
        }
        traceback = _traceback(self, record)
        if traceback:
            members["traceback"] = traceback.strip()
        return hide_secrets(msgspec.json.encode(members).decode())


def _ascii(value: Any) -> str:
    return msgspec.json.encode(value).decode().encode("ascii", "backslashreplace").decode()


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return "\n" + formatter.formatException(record.exc_info) if record.exc_info else ""


def set_up_logging(level: LogLevel, format: LogFormat) -> None:
    """Send this process's log to stderr. `level` is for what is Sojourn's; of others only warnings are told."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JSON() if format == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("sojourn").setLevel(level.upper())
    # It warns of each request that is none: whoever sends those could fill the disk.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def tell(event: Event) -> None:
    """Log what happened to a session."""
    level = _LEVELS.get(type(event), logging.DEBUG)
    if logger.isEnabledFor(level):
        members = msgspec.structs.asdict(event)
        del members["at"]
        told = {name: value for name, value in members.items() if value not in (None, ())}
        logger.log(level, _words("_", type(event).__name__).lower(), extra={"told": told})
