"""What a project does with its sessions, as views."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template import engines
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from sojourn.django import RecentLoginRequiredMixin, SessionStore, recent_login_required, session_of

HOME = engines["django"].from_string("""<!doctype html><title>Shop</title>
<h1>{% if user.is_authenticated %}Hello, {{ user }}{% else %}Hello, stranger{% endif %}</h1>
{% for message in messages %}<p role="status">{{ message }}</p>{% endfor %}
<p>In the bag: <span id="bag">{{ request.session.cart|join:", "|default:"nothing" }}</span>
<form method="post" action="/bag">{% csrf_token %}<button name="item" value="tea">Add tea</button></form>
<form method="post" action="/logout">{% csrf_token %}<button>Sign out</button></form>""")
FORM = engines["django"].from_string("""<!doctype html><title>Sign in</title>
<form method="post">{% csrf_token %}<label>Name <input name="username"></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form>""")


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(HOME.render({}, request))


def bag(request: HttpRequest) -> HttpResponse:
    request.session.setdefault("cart", []).append(request.POST["item"])
    messages.success(request, f"Put {request.POST['item']} into the bag.")
    return redirect("/")


def sign_in(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return HttpResponse(FORM.render({}, request))
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return HttpResponse("Wrong.", status=403)
    login(request, user)
    messages.info(request, "You are signed in.")
    return redirect(request.GET.get("next", "/"))


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("/")


def change_password(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    request.user.set_password(request.POST["password"])
    request.user.save()
    update_session_auth_hash(request, request.user)
    return HttpResponse()


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


def show(request: HttpRequest) -> HttpResponse:
    session = session_of(request)
    return JsonResponse({"id": session.id, "user": session.user_id, "data": dict(session)})


def broken(request: HttpRequest) -> HttpResponse:
    request.session["broken"] = True
    raise RuntimeError("This view is broken.")


@csrf_exempt
def do(request: HttpRequest, what: str) -> HttpResponse:
    """Run one of DEEDS on the session."""
    body = json.loads(request.body or b"null") if request.content_type == "application/json" else None
    return JsonResponse({"result": DEEDS[what](request, body)})


async def ado(request: HttpRequest, what: str) -> HttpResponse:
    """The same, awaited."""
    body = json.loads(request.body or b"null")
    return JsonResponse({"result": await ASYNC_DEEDS[what](request, body)})


def _slow_write(request: HttpRequest, body: Any) -> None:
    import time

    from django.conf import settings

    request.session.get("cart")
    (settings.FOLDER / "reached").touch()
    while not (settings.FOLDER / "go").exists():
        time.sleep(0.005)
    request.session["late"] = True


async def _aset(request: HttpRequest, body: Any) -> None:
    for key, value in body.items():
        await request.session.aset(key, value)


async def _aget_user(request: HttpRequest, body: Any) -> Any:
    from django.contrib.auth import aget_user

    user = await aget_user(request)
    return [user.get_username(), bool(request.session.session_key)]


def _reload(request: HttpRequest, body: Any) -> None:
    """As some libraries have newer data of a session that they saved."""
    request.session.update(body)
    request.session.save()
    request.session = SessionStore(request.session.session_key)
    request.session.modified = True


def _replace(request: HttpRequest, body: Any) -> None:
    request.session = SessionStore()
    request.session.update(body)


def _delete(request: HttpRequest, body: Any) -> None:
    """As some log-outs are written by hand, here of a session that this request made or renewed."""
    request.session.update(body)
    request.session.cycle_key()
    request.session.save()
    request.session.delete()


def _login_with_level(request: HttpRequest, body: Any) -> Any:
    user = User.objects.get(username=body)
    session_of(request).login(str(user.pk), level="aal2", methods=("pwd", "otp"))
    login(request, user)


def _hold_back(request: HttpRequest, body: Any) -> Any:
    request.session.update(body)
    request.session.modified = False
    return dict(request.session.items())


async def _alogin(request: HttpRequest, body: Any) -> None:
    from django.contrib.auth import alogin

    await alogin(request, await User.objects.aget(username=body))


async def _alogout(request: HttpRequest, body: Any) -> None:
    from django.contrib.auth import alogout

    await alogout(request)


DEEDS: dict[str, Any] = {
    "put": lambda request, body: request.session.update(body),
    "append": lambda request, body: request.session.setdefault("cart", []).append(body),
    "nested": lambda request, body: request.session["cart"].append(body),
    "increment": lambda request, body: session_of(request).increment("n"),
    "flush": lambda request, body: request.session.flush(),
    "clear": lambda request, body: request.session.clear(),
    "cycle": lambda request, body: request.session.cycle_key(),
    "expiry": lambda request, body: request.session.set_expiry(body),
    "login": lambda request, body: login(request, User.objects.get(username=body)),
    "slow_write": _slow_write,
    "key": lambda request, body: request.session.session_key,
    "load": lambda request, body: (request.session.update(body), request.session.load())[1],
    "hold_back": _hold_back,
    "reload": _reload,
    "replace": _replace,
    "delete": _delete,
    "login_with_level": _login_with_level,
    "proof": lambda request, body: [session_of(request).level, list(session_of(request).methods)],
    "raw_logout": lambda request, body: session_of(request).logout(),
}
ASYNC_DEEDS: dict[str, Any] = {"put": _aset, "login": _alogin, "logout": _alogout, "get_user": _aget_user}


@recent_login_required(within=300)
def recent(request: HttpRequest) -> HttpResponse:
    return HttpResponse("recent")


@recent_login_required(within=300)
async def recent_awaited(request: HttpRequest) -> HttpResponse:
    return HttpResponse("recent")


class Recent(RecentLoginRequiredMixin, View):
    within = 300

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("recent")


class RecentAwaited(RecentLoginRequiredMixin, View):
    within = 300

    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("recent")


@recent_login_required(level="aal2", login_url="/second-factor")
def sure(request: HttpRequest) -> HttpResponse:
    return HttpResponse("sure")


def cached(request: HttpRequest) -> HttpResponse:
    session_of(request).regenerate()
    response = HttpResponse()
    response["Cache-Control"] = request.GET["cache"]
    return response
