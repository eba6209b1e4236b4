"""Login: a log-in that was asked for and is not committed yet, judged when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar, get_args

from .codec import is_unicode
from .errors import ConfigurationError

__all__ = ["LEVELS", "MAX_METHODS", "METHOD_PATTERN", "Level", "Login"]

T = TypeVar("T")

Level = Literal["aal1", "aal2", "aal3"]
"""How sure a log-in is: NIST SP 800-63B-4's authentication assurance levels."""

LEVELS: tuple[str, ...] = get_args(Level)
"""The same, the lowest first."""

MAX_METHODS = 16
METHOD_PATTERN = "^[!-~]{1,32}$"
_method = re.compile(METHOD_PATTERN).fullmatch


class Login(NamedTuple):
    """Who it is, what was proved, and which keys of the data come along: None for all."""

    user_id: str
    remember: bool
    level: Level | None = None
    methods: tuple[str, ...] = ()
    keep: frozenset[str] | None = None

    @classmethod
    def of(
        cls, user_id: str, remember: bool, level: Level | None, methods: Sequence[str], keep: Collection[str] | None
    ) -> Login:
        """A log-in, once it is seen to be one. Raises ConfigurationError."""
        if not isinstance(user_id, str) or not 1 <= len(user_id) <= 255 or not is_unicode(user_id):
            raise ConfigurationError("session.login(user_id) needs text of 1 to 255 characters: str(user.id), say.")
        if level is not None and level not in LEVELS:
            raise ConfigurationError(f"session.login(level={level!r}): give one of {', '.join(map(repr, LEVELS))}.")
        if isinstance(methods, str) or len(methods) > MAX_METHODS or not all(map(_method, methods)):
            raise ConfigurationError(
                f"session.login(methods={methods!r}): give up to {MAX_METHODS} names like those of RFC 8176, "
                "('pwd', 'otp') say."
            )
        if isinstance(keep, str):
            raise ConfigurationError(f"session.login(keep={keep!r}): give a set of keys, not one text.")
        return cls(user_id, remember, level, tuple(methods), None if keep is None else frozenset(keep))

    def kept(self, data: Mapping[str, T]) -> dict[str, T]:
        """Of `data`, what comes along."""
        keep = self.keep
        return {key: value for key, value in data.items() if keep is None or key in keep}
