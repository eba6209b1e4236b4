"""The endpoints of sojourn.browser as a view: what the browser client calls. sojourn.django.urls mounts it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from sojourn.browser import Request
from sojourn.browser.endpoints import MAX_BODY
from sojourn.core.errors import ConfigurationError, SojournError
from sojourn.core.problem import problem_to_send

from . import process
from .engine import SessionStore
from .middleware import problem_response

__all__ = ["endpoints"]


@csrf_exempt
def endpoints(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer the browser client. Another site's request is refused, by its origin: it needs no CSRF token."""
    store = request.session
    if not isinstance(store, SessionStore):
        raise ConfigurationError("sojourn.django.urls needs SESSION_ENGINE = 'sojourn.django'.")
    refusal = process.wiring().refusal(request.META)
    if refusal is not None:
        return problem_response(refusal)
    asked = Request(
        method=request.method or "",
        path=f"/{path}" if path else "",
        content_type=request.headers.get("content-type", ""),
        body=_body(request),
        if_none_match=request.headers.get("if-none-match", ""),
    )
    try:
        _verify_user(request, store, asked)
        answer = store.lazy_exchange.limited().answer_browser(asked, process.browser_options())
    except SojournError as error:
        return problem_response(problem_to_send(error))
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


def _body(request: HttpRequest) -> bytes:
    source: Any = request
    if "CONTENT_LENGTH" not in request.META and request.META.get("wsgi.input_terminated"):
        # A body in chunks: Django itself takes it for an empty one.
        source = request.META["wsgi.input"]
    body = b""
    while len(body) <= MAX_BODY and (part := source.read(MAX_BODY + 1 - len(body))):
        body += part
    return body


def _verify_user(request: HttpRequest, store: SessionStore, asked: Request) -> None:
    """Have Django look at the user: where the password is another by now, that ends the session."""
    user = getattr(request, "user", None)
    if user is None or store.lazy_exchange.open().session.user_id is None:
        return
    if user.is_authenticated and (asked.method, asked.path) == ("POST", "/logout"):
        user_logged_out.send(sender=type(user), request=request, user=user)
