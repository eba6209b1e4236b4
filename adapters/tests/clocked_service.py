"""A session service whose clock is ahead by as many milliseconds as a file says: nobody has to wait."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

from sojourn import AsyncSessionManager
from sojourn.service import server
from sojourn.service.settings import make_settings, read_file

if __name__ == "__main__":
    config, port, ahead = sys.argv[1:]

    def clock() -> int:
        return time.time_ns() // 1_000_000 + int(Path(ahead).read_text())

    vars(server)["AsyncSessionManager"] = partial(AsyncSessionManager, clock=clock)
    server.run(make_settings(read_file(Path(config)) | {"port": int(port)}), None)
