"""SojournSettings: the project's SOJOURN setting, judged, with what follows from Django's own settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from django.conf import settings

from sojourn.adopt import Adoption
from sojourn.browser.endpoints import REAUTHENTICATE_WITHIN
from sojourn.core.errors import ConfigurationError
from sojourn.core.policy import Lifetime, Policy
from sojourn.stores.store_url import StoreURL

__all__ = ["SojournSettings"]

# What NIST SP 800-63B-4 asks for at its lowest level. Django itself sets no such limit.
LONGEST_VISIT = 30 * 86400


@dataclass(frozen=True, kw_only=True)
class SojournSettings:
    """What SOJOURN may hold; `store` is all that it must.

    `store`: a URL as open_store takes it, or the dotted path of a SessionManager, or of a function that makes one. A
    manager brings its own policy. The others are those of sojourn.asgi's SessionMiddleware and BrowserEndpoints.
    """

    store: str
    policy: Policy | None = None
    trusted_origins: Collection[str] = ()
    cross_site_paths: Collection[str] = ()
    script_readable_tokens: bool = False
    clear_cache_at_logout: bool = True
    cleanup_interval: float | None = 600.0
    readable: Collection[str] = ()
    writable: Collection[str] = ()
    reauthenticate_within: float | None = REAUTHENTICATE_WITHIN
    adopt: Adoption | None = None
    public_origin: str | None = None
    endpoints_path: str = "/session"

    @classmethod
    def read(cls) -> SojournSettings:
        """The project's settings. Raises ConfigurationError, with the mend, where they cannot be used."""
        given = getattr(settings, "SOJOURN", None)
        if not isinstance(given, Mapping):
            raise ConfigurationError(
                "SESSION_ENGINE is 'sojourn.django', so settings need "
                "SOJOURN = {'store': f\"sqlite:///{BASE_DIR / 'sessions.sqlite3'}\"}."
            )
        known = [field.name for field in fields(cls)]
        unknown = sorted(str(key) for key in given if key not in known)
        if unknown:
            raise ConfigurationError(f"SOJOURN has {', '.join(map(repr, unknown))}, but knows only {', '.join(known)}.")
        if not isinstance(given.get("store"), str):
            raise ConfigurationError("SOJOURN['store'] must be a store's URL, or the dotted path of a SessionManager.")
        found = cls(**given)
        found._check()
        return found

    def _check(self) -> None:
        if self.policy is not None and not isinstance(self.policy, Policy):
            raise ConfigurationError("SOJOURN['policy'] must be a sojourn.Policy: Policy(idle_timeout=1800), say.")
        if self.url is None:
            if self.policy is not None:
                raise ConfigurationError(
                    f"SOJOURN['store'] is the manager {self.store}, which has a policy: leave 'policy' away."
                )
        else:
            StoreURL.parse(self.url)
        if self.adopt is not None and not isinstance(self.adopt, Adoption):
            raise ConfigurationError("SOJOURN['adopt'] must be a sojourn.adopt.Adoption: docs/migrating.md shows one.")
        for name in ("readable", "writable"):
            keys = getattr(self, name)
            # Who could write these would choose who is logged in.
            own = [] if isinstance(keys, str) else sorted(key for key in keys if key.startswith("_"))
            if own:
                raise ConfigurationError(f"SOJOURN[{name!r}] has {own[0]!r}: keys that begin with _ are Django's own.")

    @property
    def url(self) -> str | None:
        """The store's URL; None where `store` names a manager."""
        return self.store if ":" in self.store else None

    def policy_or_django_s(self) -> Policy:
        """The policy, or the one that follows from SESSION_COOKIE_AGE."""
        if self.policy is not None:
            return self.policy
        age = settings.SESSION_COOKIE_AGE
        visit = max(age, LONGEST_VISIT)
        remember = Lifetime(idle_timeout=visit, absolute_timeout=visit)
        return Policy(idle_timeout=age, absolute_timeout=visit, remember=remember)
