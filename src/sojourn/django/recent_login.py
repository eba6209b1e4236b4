"""Recent log-ins: views that ask for one, by a decorator or a mixin, in the manner of Django's login_required."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

from sojourn.core.errors import LoginRequired, ReauthenticationRequired
from sojourn.core.login import Level
from sojourn.core.problem import problem_to_send

from .engine import session_of
from .middleware import problem_response

__all__ = ["RecentLoginRequiredMixin", "recent_login_required"]

View = TypeVar("View", bound=Callable[..., Any])


def recent_login_required(
    *,
    within: float | None = None,
    level: Level | None = None,
    login_url: str | None = None,
    redirect_field_name: str = REDIRECT_FIELD_NAME,
) -> Callable[[View], View]:
    """Let a view be called where the user logged in at most `within` seconds ago, and at this level (ASVS 7.5.1).

    For views that are coroutines too. Else a page is redirected to log in, as Django's login_required does it, and
    whatever else asks is answered 401 with the problem `login-required` or `reauthentication-required`.
    """

    def decorate(view: View) -> View:
        def refuse(request: HttpRequest) -> HttpResponseBase | None:
            return _refusal(request, within, level, login_url, redirect_field_name)

        if iscoroutinefunction(view):

            @wraps(view)
            async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                # The store is read in a thread that is kept: a manager is safe in all of them.
                refused = await sync_to_async(refuse, thread_sensitive=False)(request)
                return await view(request, *args, **kwargs) if refused is None else refused

            return awaited  # type: ignore[return-value]  # of the same kind as the view

        @wraps(view)
        def called(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refused = refuse(request)
            return view(request, *args, **kwargs) if refused is None else refused

        return called  # type: ignore[return-value]  # of the same kind as the view

    return decorate


class RecentLoginRequiredMixin:
    """The same for views that are classes: put it first among the parents, and set `within`, in seconds, or `level`."""

    within: float | None = None
    level: Level | None = None
    login_url: str | None = None
    redirect_field_name = REDIRECT_FIELD_NAME

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer as recent_login_required does."""
        handle = super().dispatch  # type: ignore[misc]  # the view's, whose mixin this is
        asked = recent_login_required(
            within=self.within,
            level=self.level,
            login_url=self.login_url,
            redirect_field_name=self.redirect_field_name,
        )
        is_async = getattr(self, "view_is_async", False)

        async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return await handle(request, *args, **kwargs)

        return asked(awaited if is_async else handle)(request, *args, **kwargs)


def _refusal(
    request: HttpRequest, within: float | None, level: Level | None, login_url: str | None, field: str
) -> HttpResponseBase | None:
    try:
        session_of(request).require_login(within=within, level=level)
    except (LoginRequired, ReauthenticationRequired) as error:
        if not _is_page(request):
            return problem_response(problem_to_send(error))
        # Here: its module needs the accounts' models, which are not loaded yet when this one is.
        from django.contrib.auth.views import redirect_to_login

        return redirect_to_login(request.get_full_path(), resolve_url(login_url or settings.LOGIN_URL), field)
    return None


def _is_page(request: HttpRequest) -> bool:
    """Whether a browser would show the answer as its page: by what it says itself, else by what it accepts."""
    mode, accepted = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Accept")
    if mode is not None:
        return mode == "navigate"
    return accepted is None or "text/html" in accepted
