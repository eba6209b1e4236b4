"""Policy: how long sessions last, how often they are renewed, and how many a user may have. Values only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from .errors import ConfigurationError

__all__ = ["Lifetime", "Policy"]

# Browsers keep no cookie for longer than 400 days (RFC 6265bis).
LONGEST = 400 * 86400


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """A pair of timeouts, in seconds: `idle_timeout` without activity, `absolute_timeout` in all. Both hold.

    From 1 second to 400 days: no browser keeps a cookie for longer (RFC 6265bis). Raises ConfigurationError for
    others, and for an idle timeout over the absolute one.
    """

    idle_timeout: float
    absolute_timeout: float

    def __post_init__(self) -> None:
        _between("idle_timeout", self.idle_timeout, 1, LONGEST)
        _between("absolute_timeout", self.absolute_timeout, 1, LONGEST)
        if self.idle_timeout > self.absolute_timeout:
            raise ConfigurationError(
                f"idle_timeout ({self.idle_timeout:g} s) is over absolute_timeout ({self.absolute_timeout:g} s), "
                "so it would never act. Make it shorter, or equal."
            )


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules for the sessions of one application. Durations are seconds. A wrong value raises ConfigurationError.

    `idle_timeout`, `absolute_timeout`: both hold, from activity and from creation (a log-in creates anew). The
    defaults are 30 minutes, the most that OWASP gives for low risk, and 12 hours, which NIST SP 800-63B-4 asks for
    at its strictest level. Bounds as in Lifetime.
    `remember`: the longer pair for `session.login(user, remember=True)`; None refuses it.
    `touch_interval`: activity is written down at most this often, so an idle timeout may come early by it. At most
    half of a session's idle timeout counts, and may be given. None: a tenth of it, and at most a minute.
    `rotate_interval`: the token's secret is renewed this often, 400 days at most; None never. A client that keeps no
    cookies needs None: a secret that is still shown an interval after six new ones ends the session.
    `rotate_grace`: how long requests already on their way may show the secret before, an hour at most. Later than that,
    it is theft, and the session ends.
    `max_sessions`: live sessions a user may have, 1 to 10,000, None for any number; at the limit `on_limit` ends the
    oldest or refuses the log-in.
    `on_conflict`: two requests set one value to different things: the later wins, or SessionConflict is raised.
    `keep_ended`: how long an ended session's row stays, without data, so that the browser can be told why: at most 400
    days.
    `keep_client`: what is kept of the address and user agent that a session began with: all, the address's network
    alone, or nothing. A label of the device is kept in any case.
    `max_bytes`: the most that a session's data may take, as encoded JSON: 2 bytes to 16 MiB.
    `binding`: whether a session is bound to a key of its browser (DBSC for a cookie, DPoP for a script's token), so
    that its token opens nothing without it, or is not renewed (DPoP for a cookie). "prefer" binds those whose browser
    has a key, and holds them to it; "require" opens no others, but in a cookie before the log-in. Needs the extra
    `bound`: docs/binding.md.
    """

    idle_timeout: float = 30 * 60
    absolute_timeout: float = 12 * 3600
    remember: Lifetime | None = field(
        default_factory=lambda: Lifetime(idle_timeout=14 * 86400, absolute_timeout=30 * 86400)
    )
    touch_interval: float | None = None
    rotate_interval: float | None = 3600
    rotate_grace: float = 60
    max_sessions: int | None = 100
    on_limit: Literal["end_oldest", "refuse"] = "end_oldest"
    on_conflict: Literal["last_writer_wins", "raise"] = "last_writer_wins"
    keep_ended: float = 86400
    keep_client: Literal["all", "network", "none"] = "all"
    max_bytes: int = 32 * 1024
    binding: Literal["off", "prefer", "require"] = "off"

    def __post_init__(self) -> None:
        lifetime = Lifetime(idle_timeout=self.idle_timeout, absolute_timeout=self.absolute_timeout)
        if self.touch_interval is not None:
            _between("touch_interval", self.touch_interval, 0, lifetime.idle_timeout / 2)
        if self.rotate_interval is not None:
            _between("rotate_interval", self.rotate_interval, 0, LONGEST)
        _between("rotate_grace", self.rotate_grace, 0, 3600)
        _between("keep_ended", self.keep_ended, 0, LONGEST)
        _whole("max_bytes", self.max_bytes, 2, 16 * 1024 * 1024)
        if self.max_sessions is not None:
            _whole("max_sessions", self.max_sessions, 1, 10_000)
        if self.remember is not None and not isinstance(self.remember, Lifetime):
            raise ConfigurationError(f"Policy(remember={self.remember!r}): give a Lifetime, or None.")
        _one_of("binding", self.binding, ("off", "prefer", "require"))
        _one_of("keep_client", self.keep_client, ("all", "network", "none"))
        _one_of("on_limit", self.on_limit, ("end_oldest", "refuse"))
        _one_of("on_conflict", self.on_conflict, ("last_writer_wins", "raise"))

    @cached_property
    def touch_ms(self) -> int:
        """`touch_interval` in milliseconds; by default a tenth of the idle timeout, at most a minute."""
        return int((min(60.0, self.idle_timeout / 10) if self.touch_interval is None else self.touch_interval) * 1000)

    @cached_property
    def rotate_ms(self) -> float:
        """`rotate_interval` in milliseconds; infinite for never."""
        return math.inf if self.rotate_interval is None else self.rotate_interval * 1000

    def lifetime(self, *, remember: bool) -> Lifetime:
        """The timeouts for a new session. Raises ConfigurationError if it asks to be remembered and none may be."""
        if not remember:
            return Lifetime(idle_timeout=self.idle_timeout, absolute_timeout=self.absolute_timeout)
        if self.remember is None:
            raise ConfigurationError("login(remember=True) needs Policy(remember=Lifetime(...)); this policy has None.")
        return self.remember


def _between(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigurationError(f"Policy({name}={value!r}): give a number from {low:g} to {high:g}.")


def _whole(name: str, value: float, low: int, high: int) -> None:
    _between(name, value, low, high)
    if not isinstance(value, int):
        raise ConfigurationError(f"Policy({name}={value!r}): give a whole number.")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigurationError(f"Policy({name}={value!r}): give one of {', '.join(map(repr, choices))}.")
