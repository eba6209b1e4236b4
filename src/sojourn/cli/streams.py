"""The process's own streams: one that is closed, full or cut off ends in an exit code, never in a traceback."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

__all__ = ["Unwritten", "give_up_output", "prepare_streams"]


class Unwritten(Exception):
    """The output could not be written; its cause is the OSError. No OSError itself: those have other causes too."""


class _Output(io.FileIO):
    """What stdout is written to."""

    def write(self, data: object) -> int:
        """As FileIO.write. Raises Unwritten."""
        try:
            return super().write(data)  # type: ignore[arg-type]  # whatever may be written to a file
        except OSError as error:
            raise Unwritten from error


class _Messages(io.FileIO):
    """What stderr is written to. A message that nobody can be shown is dropped: the exit code says as much."""

    def write(self, data: object) -> int:
        """As FileIO.write; never fails."""
        with suppress(OSError):
            return super().write(data)  # type: ignore[arg-type]  # as above
        return len(memoryview(data))  # type: ignore[arg-type]  # as above


def prepare_streams() -> None:
    """Make the streams such that only stdout's fail, and with Unwritten alone.

    A character that the terminal's encoding lacks is written as an escape, not answered with a traceback.
    """
    if sys.platform == "win32":  # whose consoles take no bytes
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        _open_if_closed(number, mode)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # for as long as the process is there
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr, line_buffering=True)


def _open_if_closed(number: int, mode: int) -> None:
    # The next file that is opened, a database perhaps, would get the number, and whatever is written to it. What is
    # open for reading only lets no output seem to be written.
    try:
        os.fstat(number)
    except OSError:
        # For the processes that this one starts, too.
        os.set_inheritable(os.open(os.devnull, mode), True)


def _text(raw: io.FileIO, before: TextIO | None, line_buffering: bool = False) -> TextIO:
    # PYTHONUNBUFFERED says so.
    at_once = isinstance(before, io.TextIOWrapper) and before.write_through
    return io.TextIOWrapper(
        raw if at_once else io.BufferedWriter(raw),  # as Python itself does
        encoding="utf-8" if before is None else before.encoding,
        errors="backslashreplace",
        line_buffering=line_buffering or raw.isatty(),
        write_through=at_once,
    )


def give_up_output() -> None:
    """Let what could not be written not be tried again, as Python does at its end, with an exit code of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
