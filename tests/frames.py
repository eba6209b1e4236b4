"""What a reporter of errors would send: the variables of every frame that an exception passed through."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

__all__ = ["WAYS", "require_no_secret", "shown"]

WAYS = ["cookie", "cookies", "of one session", "bearer"]
"""How a request may show the token of one session, or two."""

# One that the request was to be given, too.
A_TOKEN = "sj1-[0-9a-f]{32}-[0-9a-f]{64}"


def shown(way: str, one: str, other: str) -> tuple[dict[str, str], list[str]]:
    """Headers that show the token of a session in one of the `WAYS`, maybe another's too, and the tokens in them."""
    if way == "bearer":
        return {"Authorization": f"Bearer {one}", "Sojourn-Transport": "bearer"}, [one]
    if way == "of one session":
        other = one[:-64] + "0123456789abcdef" * 4
    tokens = [one] if way == "cookie" else [one, other]
    return {"Cookie": "; ".join(f"__Host-session={token}" for token in tokens)}, tokens


def require_no_secret(error: BaseException, *tokens: str) -> int:
    """Fail where a variable in a frame of ours shows a secret of `tokens`, but for the framework's scope or environ.

    How many frames of ours there are.
    """
    ours = [frame for frame in frames(error) if frame.f_globals.get("__name__", "").split(".")[0] == "sojourn"]
    secrets = {half for token in tokens for half in (token[-64:-32], token[-32:])}
    assert {len(secret) for secret in secrets} == {32}
    shows = re.compile("|".join([*secrets, A_TOKEN])).search
    held = [
        f"{frame.f_code.co_qualname}: {name}"
        for frame in ours
        for name, value in frame.f_locals.items()
        if not is_frameworks(value) and shows(repr(value))
    ]
    assert not held, f"these show a token: {held}"
    return len(ours)


def frames(error: BaseException) -> Iterator[FrameType]:
    """Those of its traceback, and of the exceptions that it came from."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        traceback = each.__traceback__
        while traceback is not None:
            yield traceback.tb_frame
            traceback = traceback.tb_next
        todo += [each.__cause__, None if each.__suppress_context__ else each.__context__]
        todo += getattr(each, "exceptions", ())


def is_frameworks(value: Any) -> bool:
    """ASGI's scope, or WSGI's environ: they are in every frame of the framework too."""
    return isinstance(value, Mapping) and ({"type", "headers"} <= value.keys() or "wsgi.input" in value)
