"""The program `sojourn`: see, end and clean up sessions, state a policy, try the demo. Needs the extra `cli`."""

from __future__ import annotations

import sys

from sojourn.core.extras import install

from .exit import Exit
from .streams import prepare_streams

__all__ = ["Exit", "main"]


def main() -> None:
    """Run the program and end the process with one of the codes in `Exit`."""
    prepare_streams()
    try:
        from .program import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write(f"Error: The program needs click: {install('cli')}\n")
        sys.exit(Exit.USAGE)
    sys.exit(run())
