"""Webhook: the entries of a trail, delivered to a URL, at least once and in each session's order."""

from __future__ import annotations

import http.client
import json
import logging
import os
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sojourn.core.errors import ConfigurationError
from sojourn.core.loopback import is_loopback

from .audit_file import chain_path, read_chain
from .chain import START, parse_line
from .outbox import Cursor, Message, Outbox
from .signature import headers_of, read_secret
from .table import TableURL, open_table
from .trail import milliseconds
from .trail_location import Reader, is_url, open_reader

__all__ = ["Webhook", "require_safe"]

logger = logging.getLogger("sojourn")

POLL = 0.25
TIMEOUT = 10.0
TOGETHER = 50
LONGEST_PAUSE = 3600.0
GIVE_UP_MS = 3 * 86_400_000


class Webhook:
    """Sends each entry of a trail, by its path or URL, to `url`, signed as Standard Webhooks says, until it is taken.

    `secret` is `whsec_` and base64. What waits is in the SQLite file `outbox`, so that a process that is killed loses
    nothing: a message is sent at least once, always with the same `webhook-id`, and those of one session in order. One
    that is not answered with 2xx within ten seconds is sent again after 2, 4, 8 s … up to an hour, and given up after
    three days, which the log tells. It begins with what is written after the outbox was made. Any number of processes
    may have one for an outbox: one of them sends, in a thread of its own. Raises ConfigurationError for a URL that is
    not https, but of this machine, for a secret that is none, and for an outbox that cannot be used; for a table as
    AuditTable. `clock` is in Unix milliseconds.
    """

    def __init__(
        self,
        trail: str | os.PathLike[str],
        url: str,
        secret: str,
        *,
        outbox: str | os.PathLike[str],
        clock: Callable[[], int] = milliseconds,
    ) -> None:
        self._trail, self._outbox_path, self._clock = os.fspath(trail), Path(outbox), clock
        self._secret = read_secret(secret)
        self._url = urlsplit(url)
        require_safe(url)
        outbox_ = Outbox(self._outbox_path)
        if outbox_.cursor() is None:
            outbox_.put((), self._end())
        outbox_.close()
        self._begins_anew = True
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Send what waits, and what comes, in a thread of this process. After a fork: in the child."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sojourn-webhook", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Send no more, once what is under way is answered. What waits then waits in the outbox."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _end(self) -> Cursor:
        """Where the trail ends now."""
        if is_url(self._trail):
            table = open_table(TableURL.parse(self._trail), make=True)
            n = table.look(lambda chain, _: chain.last.n)
            table.close()
            return Cursor(n, 0, 0)
        path = Path(self._trail)
        with suppress(FileNotFoundError):
            status = path.stat()
            return Cursor(_last_of(path), status.st_ino, status.st_size)
        return Cursor(0, 0, 0)

    def _run(self) -> None:
        import fcntl

        lock = os.open(self._outbox_path.with_name(f"{self._outbox_path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not self._stop.is_set():
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._deliver_all()
                self._stop.wait(POLL)
        finally:
            os.close(lock)

    def _deliver_all(self) -> None:
        """As the one who sends. A failure of the outbox or the trail is told, and tried again."""
        outbox = Outbox(self._outbox_path)
        reader: Reader | None = None
        try:
            cursor = outbox.cursor() or self._end()
            reader = open_reader(self._trail, cursor)
            while not self._stop.is_set():
                cursor = self._take_in(outbox, reader, cursor)
                if not self._send_due(outbox):
                    self._stop.wait(POLL)
        except Exception:
            logger.exception("webhooks wait: what is to be sent cannot be read")
            self._stop.wait(TIMEOUT)
        finally:
            if reader is not None:
                reader.close()
            outbox.close()

    def _take_in(self, outbox: Outbox, reader: Reader, cursor: Cursor) -> Cursor:
        """Put what is new in the trail into the outbox."""
        lines = reader.read()
        if not lines:
            return cursor
        entries = [entry for line in lines if (entry := parse_line(line)) is not None and entry["n"] > cursor.n]
        if entries and entries[0]["n"] > cursor.n + 1:
            if self._begins_anew:
                # It is another file of the same number, say: what is missing stands before.
                self._begins_anew = False
                reader.rewind()
                return cursor
            logger.error("webhooks: entries %d to %d are not in the trail", cursor.n + 1, entries[0]["n"] - 1)
        reached = Cursor(entries[-1]["n"] if entries else cursor.n, reader.inode, reader.offset)
        outbox.put([_message(entry, self._clock()) for entry in entries], reached)
        return reached

    def _send_due(self, outbox: Outbox) -> bool:
        """Send those that are due; whether there was one, and it was taken."""
        messages = outbox.due(self._clock(), TOGETHER)
        for message in messages:
            if self._stop.is_set():
                return False
            refusal = self._send(message)
            if refusal is None:
                outbox.drop(message)
            elif self._clock() - message.made_at > GIVE_UP_MS:
                logger.error("webhook %s is given up after %d trials: %s", message.id, message.tries + 1, refusal)
                outbox.drop(message)
            else:
                if message.tries == 0:
                    logger.warning("webhook %s is sent again later: %s", message.id, refusal)
                pause = min(2.0 ** (message.tries + 1), LONGEST_PAUSE) * (1 + secrets.randbelow(256) / 1024)
                outbox.put_off(message, self._clock() + int(pause * 1000))
                # The others would most likely wait as long for nothing.
                return False
        return bool(messages)

    def _send(self, message: Message) -> str | None:
        """Why it was not taken; None where it was."""
        body, url = message.body.encode(), self._url
        headers = headers_of(message.id, self._clock() // 1000, body, self._secret)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=TIMEOUT)
        try:
            connection.request("POST", f"{url.path or '/'}{'?' + url.query if url.query else ''}", body, {**headers})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.close()
        return None if 200 <= status < 300 else f"answered with {status}"


def _message(entry: dict[str, Any], now: int) -> Message:
    subject = entry.get("session_id") or f"user:{entry.get('user_id', '')}"
    body = json.dumps({"type": f"sojourn.{entry['what']}", "timestamp": entry["time"], "data": entry})
    # The same whoever sends it, and however often.
    return Message(entry["n"], f"msg_{entry['hash'][:32]}", str(subject), body, now, now)


def require_safe(url: str) -> None:
    """Raise ConfigurationError for a URL that others on the way could read what is sent to."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        return
    raise ConfigurationError("A webhook goes to https://…: who was where is nobody else's. http is for this machine.")


def _last_of(path: Path) -> int:
    with suppress(FileNotFoundError), chain_path(path).open("rb") as chain:
        return (read_chain(chain.fileno()) or START).n
    return 0
