"""The launcher of "one session": a session service, four back ends that share it, and nginx in front of them.

make one-session         then open http://localhost:8000; Ctrl-C stops it all
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from parts import BACK_ENDS, Absent, Part, find_nginx, nginx, service
from processes import Processes

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    parser = argparse.ArgumentParser(description="One session in Python, Express, PHP and ASP.NET Core.")
    parser.add_argument("--port", type=int, default=8000, help="where nginx listens (default: 8000)")
    port: int = parser.parse_args().port
    if not 0 < port < 65536:
        parser.error("argument --port: 1 to 65535")
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)  # so that the folder goes in any case
    try:
        require_free(port)
        find_nginx()
        with tempfile.TemporaryDirectory(prefix="one-session-") as name:
            folder, at = Path(name), free_port()
            keys = folder / "keys.json"
            back_ends = make_back_ends(folder, keys, at)
            parts = service(folder, keys, at), back_ends, nginx(folder, at, port)
            asyncio.run(run(folder, *parts))
    except (Absent, RuntimeError) as error:
        print(f"one-session: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def require_free(port: int) -> None:
    """Raises Absent where nginx would find `port` taken."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            other = port + 1 if port < 65535 else 8000
            raise Absent(f"Port {port}: {error.strerror}. Choose another: make one-session PORT={other}") from None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def make_key(keys: Path, name: str) -> str:
    """A key of its own for each back end: one can be taken away, and the log tells them apart."""
    command = [sys.executable, "-m", "sojourn", "keys", "make", "--keys", str(keys), "--name", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_back_ends(folder: Path, keys: Path, at: int) -> list[Part]:
    """Those that can be started here. Says which cannot, and why."""
    parts = []
    for name, make in BACK_ENDS.items():
        environment = {"SOJOURN_SERVICE": f"http://127.0.0.1:{at}", "SOJOURN_KEY": make_key(keys, name)}
        try:
            parts.append(make(folder, environment))
        except Absent as reason:
            print(f"{name:8}| left out. {reason}", flush=True)
    return parts


async def run(folder: Path, sessions: Part, back_ends: list[Part], front: Part) -> None:
    """All of it, until a signal comes, which is a normal end, or one of them ends, which is a RuntimeError."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    processes = Processes(folder)
    try:
        await processes.start(sessions)
        await asyncio.gather(*map(processes.start, back_ends))
        await processes.start(front)
        print(
            f"\nOne session, {len(back_ends)} back ends: http://localhost:{front.address}\n"
            "Open it in Chrome, Edge or Firefox: Safari keeps no Secure cookie over plain http.\nCtrl-C stops them.\n",
            flush=True,
        )
        raise RuntimeError(f"{await processes.first_end()}. So the others were stopped too.")
    except asyncio.CancelledError:
        print("\nStopping.", flush=True)
    finally:
        for number in SIGNALS:
            loop.add_signal_handler(number, lambda: None)
        await processes.stop()


if __name__ == "__main__":
    sys.exit(main())
