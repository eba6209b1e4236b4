"""The program `sojourn`: see, end and clean up sessions, state a policy, try the demo. Needs the extra `cli`."""

from __future__ import annotations

import sys

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
        sys.stderr.write("Error: The program needs click. Install it with: pip install 'sojourn[cli]'\n")
        sys.exit(Exit.USAGE)
    sys.exit(run())
