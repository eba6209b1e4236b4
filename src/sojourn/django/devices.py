"""The page "where you are signed in": a user's sessions, each of which they can end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from sojourn.browser import Ask, perform
from sojourn.browser.state import ListedSession, listed
from sojourn.core.errors import ReauthenticationRequired
from sojourn.core.session import Session

from . import process
from .engine import session_of
from .middleware import problem_response

__all__ = ["devices"]


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def devices(request: HttpRequest) -> HttpResponse:
    """List the sessions of the user who is logged in; a POST ends the one that `end` names, or all but this ("others").

    The template is sojourn/devices.html, in the frame of sojourn/page.html: a project may have its own of either.
    """
    session = session_of(request)
    if request.method == "POST":
        refusal = process.wiring().refusal(request.META)
        return problem_response(refusal) if refusal is not None else _end(request, session)
    spoken = _spoken()
    with translation.override(spoken):
        direction = "rtl" if translation.get_language_bidi() else "ltr"
    shown = {"devices": _devices(session), "spoken": spoken, "direction": direction}
    return render(request, "sojourn/devices.html", shown)


def _spoken() -> str:
    """The language of the visitor, if somebody has translated this page into it; else English."""
    title = "Where you are signed in"
    return (translation.get_language() or "en") if _(title) != title else "en"


def _devices(session: Session) -> list[dict[str, Any]]:
    mine = perform(Ask("list", session.user_id or ""), session, process.manager())
    assert not isinstance(mine, int)
    found = [listed(each, session.id) for each in mine]
    now = process.manager().clock()
    return [_shown(each, now) for each in sorted(found, key=lambda each: (not each.current, -each.seen_at))]


def _shown(device: ListedSession, now: int) -> dict[str, Any]:
    return {
        "id": device.id,
        "current": device.current,
        "name": device.device,
        "ip": device.ip,
        "bound": device.bound,
        "seen": _moment(device.seen_at),
        # Activity is noted down once a minute.
        "seen_just_now": now - device.seen_at < 60_000,
        "signed_in": _moment(device.authenticated_at or device.created_at),
    }


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _end(request: HttpRequest, session: Session) -> HttpResponse:
    id, user_id = request.POST.get("end", ""), session.user_id or ""
    if id == session.id:
        logout(request)
        return HttpResponseRedirect(request.path)
    try:
        session.require_login(within=process.browser_options().reauthenticate_within)
    except ReauthenticationRequired:
        messages.info(request, _("Please log in again: only then can other devices be signed out."), fail_silently=True)
        # Here: its module needs the accounts' models, which are not loaded yet when this one is.
        from django.contrib.auth.views import redirect_to_login

        return redirect_to_login(request.path)
    ask = Ask("revoke_others", user_id, session.id or "") if id == "others" else Ask("revoke", user_id, id)
    ended = perform(ask, session, process.manager())
    assert isinstance(ended, int)
    told = ngettext("%d device is signed out.", "%d devices are signed out.", ended) % ended
    messages.success(request, told if ended else _("It was signed out already."), fail_silently=True)
    return HttpResponseRedirect(request.path)
