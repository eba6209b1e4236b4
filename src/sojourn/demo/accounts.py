"""Accounts: sign up, sign in, and a new session with another timeout."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.asgi import session_of

from .json_bodies import answer, read_form, refuse
from .users import User, Users

__all__ = ["routes"]

Name = Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,32}$")]
Password = Annotated[str, msgspec.Meta(min_length=8, max_length=128)]


class SignUp(msgspec.Struct, forbid_unknown_fields=True):
    """The form of a new account."""

    name: Name
    password: Password
    remember: bool = False


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The form of a log-in: nothing is asked of the password but to be right."""

    name: str
    password: str
    remember: bool = False


def routes(users: Users) -> list[Route]:
    """The routes; the log-out is the session endpoints' own."""

    async def sign_up(request: Request) -> Response:
        form = await read_form(request, SignUp)
        user = await users.add(form.name, form.password)
        if user is None:
            return refuse(409, f"Somebody here is called {form.name} already. Choose another name, or sign in.")
        return _enter(request, user, form.remember)

    async def sign_in(request: Request) -> Response:
        form = await read_form(request, SignIn)
        user = await users.check(form.name, form.password)
        if user is None:
            # One sentence for both: which of the two is wrong is nobody's business.
            return refuse(401, "This name and password do not go together. Have another look, and try again.")
        return _enter(request, user, form.remember)

    return [
        Route("/demo/sign-up", sign_up, methods=["POST"]),
        Route("/demo/sign-in", sign_in, methods=["POST"]),
        Route("/demo/begin", begin, methods=["POST"]),
    ]


def _enter(request: Request, user: User, remember: bool) -> Response:
    session_of(request).login(user.name, remember=remember)
    return answer(name=user.name)


async def begin(request: Request) -> Response:
    """Start an anonymous session with the chosen limits; one that is there ends, and its data comes along.

    Not for somebody who is logged in: new limits for them are for those who show their password again.
    """
    session = session_of(request)
    if session.user_id is not None:
        return refuse(409, "Sign out first: somebody who is signed in gets new limits at the next sign-in.")
    data = dict(session)
    session.logout()
    session.update(data)
    session.start()
    return answer()
