"""Printed: what a server's process has printed, in the file that keeps it."""

from __future__ import annotations

from pathlib import Path

from tests.servers.waiting import wait_until

__all__ = ["Printed"]


class Printed:
    """Of a process whose output goes into the file `log`."""

    log: Path

    def output(self) -> str:
        """All it has printed so far."""
        return self.log.read_text("utf-8", "replace")

    def wait_to_print(self, text: str) -> None:
        """Until it has printed `text`: what a server logs of a request may come after its answer."""
        wait_until(lambda: text in self.output(), f"{text!r} in {self.log}")
