"""What a back end asks of the service: the bodies of /v1/open and /v1/commit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from sojourn.core.login import MAX_METHODS, METHOD_PATTERN, Level
from sojourn.core.merge import MISSING

__all__ = [
    "ClientFacts",
    "CommitRequest",
    "KeyChange",
    "LoginAction",
    "LogoutAction",
    "OpenRequest",
    "PresentedKey",
    "RegenerateAction",
    "ShownDevice",
    "SignedRequest",
    "StartAction",
]


URL_PATTERN = r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?#]|$)"
PATH_PATTERN = "^/"
THUMBPRINT_PATTERN = "^[A-Za-z0-9_-]{43}$"
Thumbprint = Annotated[str, msgspec.Meta(pattern=THUMBPRINT_PATTERN)]
Method = Annotated[str, msgspec.Meta(pattern=METHOD_PATTERN)]


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a request. A misspelled key is refused: left out in silence, a change would be lost."""

    def __repr__(self) -> str:
        # There may be a token in it, and a traceback's frames are sent to who collects errors.
        return f"{type(self).__name__}(hidden)"


class ClientFacts(_Request, frozen=True, kw_only=True):
    """What the back end knows of the browser; both are kept with a session that begins."""

    ip: str | None = None
    user_agent: str | None = None


class PresentedKey(_Request, frozen=True, kw_only=True):
    """What the visitor's request shows for its key. `url` begins with the public origin; its query does not matter.

    `proof` is its DPoP header, `dpop` whether it showed its token in `Authorization: DPoP`.
    """

    method: str
    url: Annotated[str, msgspec.Meta(pattern=URL_PATTERN)]
    proof: str | None = None
    dpop: bool = False


class SignedRequest(_Request, frozen=True, kw_only=True):
    """A request with its token in a cookie and a DPoP header, its `proof`. `path` is the whole one, percent-encoded."""

    method: str
    path: Annotated[str, msgspec.Meta(pattern=PATH_PATTERN)]
    proof: str


class ShownDevice(_Request, frozen=True, kw_only=True):
    """What a request with its token in a cookie shows for a key of its browser's, if it shows anything.

    `cookies` are the bound ones of its Cookie header, `skipped` is its header Secure-Session-Skipped. `signed` is there
    where a script proves its key. Beside `proved` it may be empty: that is the key of a cookie's session then.
    """

    cookies: str = ""
    skipped: str | None = None
    signed: SignedRequest | None = None


class OpenRequest(_Request, frozen=True, kw_only=True):
    """The body of /v1/open. `proved` is what an open or a commit of the same request answered so."""

    token: str
    client: ClientFacts | None = None
    opened_at: int | None = None
    presented: PresentedKey | None = None
    proved: Thumbprint | None = None
    device: ShownDevice | None = None


class KeyChange(_Request, frozen=True, kw_only=True):
    """One key: as it was when the back end loaded it, and as it is to be. MISSING is "not there"."""

    base: Any = MISSING
    value: Any = MISSING


class StartAction(_Request, frozen=True, kw_only=True, tag="start"):
    """Begin a session even if nothing is in it."""


class LoginAction(_Request, frozen=True, kw_only=True, tag="login"):
    """Session.login."""

    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    remember: bool = False
    level: Level | None = None
    methods: Annotated[tuple[Method, ...], msgspec.Meta(max_length=MAX_METHODS)] = ()
    keep: tuple[str, ...] | None = None


class LogoutAction(_Request, frozen=True, kw_only=True, tag="logout"):
    """Session.logout."""


class RegenerateAction(_Request, frozen=True, kw_only=True, tag="regenerate"):
    """Session.regenerate."""


class CommitRequest(_Request, frozen=True, kw_only=True):
    """The body of /v1/commit. `opened_at` is the `now` of the open that the request began with.

    `status` is what the service said last, in this request, of the session that `token` opens. With a token it must be
    there: only the back end knows whether its request knew of an end, or changed a session that ended meanwhile.
    `used` are the keys of one-time grants that this request used up, and `changes` removes. `presented`, `proved`
    and `device` are as in OpenRequest.
    """

    token: str | None = None
    status: Literal["none", "active", "ended"] | None = None
    client: ClientFacts | None = None
    passive: bool = False
    opened_at: int | None = None
    changes: dict[str, KeyChange] = {}
    increments: dict[str, int] = {}
    used: tuple[str, ...] = ()
    presented: PresentedKey | None = None
    proved: Thumbprint | None = None
    device: ShownDevice | None = None
    action: StartAction | LoginAction | LogoutAction | RegenerateAction | None = None
