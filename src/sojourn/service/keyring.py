"""Keyring: the API keys that a running service knows. It notices a change of their file within a second."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from sojourn.core.errors import ConfigurationError
from sojourn.core.problem import Problem
from sojourn.manager import Clock, milliseconds
from sojourn.wire.api_key import KeyScope
from sojourn.wire.http import BEARER
from sojourn.wire.problems import API_KEY_REFUSED, API_KEY_REQUIRED, wrong_scope

from .keys import ApiKey, read_keys, take_apart
from .last_use import LastUse

__all__ = ["Keyring"]

logger = logging.getLogger("sojourn.service")

_BEARER = BEARER.lower().encode()
# In "Bearer sjk1-1a2b3c4d-…".
_ID = slice(len("Bearer sjk1-"), len("Bearer sjk1-1a2b3c4d"))


class Keyring:
    """The keys in one file, read again when it has changed."""

    def __init__(self, path: Path, clock: Clock = milliseconds) -> None:
        self._path = path
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}
        # What headers show that were good, until the file is read anew: a back end sends one, and the hash costs more
        # than all else that is asked of it.
        self._shown: dict[bytes, tuple[str, str]] = {}
        self._last_use = LastUse(path)
        self._stamp: tuple[int, int, int] | None = None
        self._told: str | None = None
        self._check_at = 0.0
        self._check()

    def refusal(self, authorization: bytes, scope: KeyScope) -> Problem | None:
        """Why a request with this Authorization header may not do what `scope` is for; None where it may."""
        if time.monotonic() >= self._check_at:
            self._check()
        shown = self._shown.get(authorization)
        if shown is None:
            scheme, _, text = authorization.partition(b" ")
            shown = take_apart(text) if scheme.lower() == _BEARER else None
            if shown is None:
                return API_KEY_REQUIRED
        key = self._keys.get(shown[0])
        now = self._clock()
        if key is None or not key.opened_by(shown[1], now):
            return API_KEY_REFUSED
        self._shown[authorization] = shown
        self._last_use.note(key.id, now, self._keys)
        return None if scope in key.scopes else wrong_scope(key.id, scope)

    def id_of(self, authorization: bytes) -> str:
        """The public id of the key that an Authorization header shows, once that was not refused."""
        return authorization[_ID].decode()

    def holder(self, text: bytes, scope: KeyScope) -> ApiKey | None:
        """Whose key this text is, if it is good for `scope`."""
        found = take_apart(text)
        key = None if found is None else self.find(found[0], scope)
        now = self._clock()
        if found is None or key is None or not key.opened_by(found[1], now):
            return None
        self._last_use.note(key.id, now, self._keys)
        return key

    def find(self, id: str, scope: KeyScope) -> ApiKey | None:
        """The key of this id, if there is one for `scope` now."""
        if time.monotonic() >= self._check_at:
            self._check()
        key = self._keys.get(id)
        return key if key is not None and scope in key.scopes else None

    def _check(self) -> None:
        self._check_at = time.monotonic() + 0.5
        try:
            status = self._path.stat()
            # A file that was put in place of the other differs in its number, however quick it went.
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp == self._stamp:
                return
            self._keys, self._shown = {key.id: key for key in read_keys(self._path)}, {}
            self._stamp = stamp
            logger.info("API keys read: %d", len(self._keys))
        except FileNotFoundError:
            if self._keys or self._stamp is None:
                logger.warning("There is no file of API keys at %s: every key is refused.", self._path)
            self._keys, self._shown, self._stamp = {}, {}, (0, 0, 0)
        except (ConfigurationError, OSError) as error:
            # Those that were read before still hold: a slip of an editor must not sign everybody out.
            reason = str(error) if isinstance(error, ConfigurationError) else error.strerror
            if reason != self._told:
                logger.error("The API keys stay as they were: %s", reason)
            self._told = reason
        else:
            self._told = None
