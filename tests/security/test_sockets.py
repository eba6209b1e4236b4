"""A WebSocket lives no longer than its session, whatever breaks meanwhile (R45; ASVS 4.4.2, 7.4.1, 16.5.3)."""

from __future__ import annotations

import asyncio

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from sojourn import Policy, StoreUnavailable
from sojourn.core.record import Record
from sojourn.stores.memory import AsyncMemoryStore
from tests.security.conftest import MakeSite
from tests.security.site import COOKIE, Site

LOGIN = {"user": "ada", "data": {"cart": []}}


class Outage(AsyncMemoryStore):
    """A store whose reads fail from the `healthy`-th on, until told otherwise."""

    healthy = 1_000_000

    async def get(self, id: str) -> Record | None:
        self.healthy -= 1
        if self.healthy < 0:
            raise StoreUnavailable("It is down.")
        return await super().get(id)


def closed_with(client: TestClient, url: str) -> tuple[int, str]:
    """The code and the reason with which a handshake is refused."""
    with pytest.raises(WebSocketDisconnect) as closed:
        client.websocket_connect(url).__enter__()
    return closed.value.code, closed.value.reason


@pytest.mark.parametrize("end", ["logout", "revoked", "replaced"])
def test_a_session_that_ends_closes_its_sockets_and_says_why(make_site: MakeSite, end: str) -> None:
    site = make_site()
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        with (
            client.websocket_connect("wss://app.test/echo") as first,
            client.websocket_connect("wss://app.test/echo") as second,
        ):
            first.send_text("x")
            assert first.receive_text() == "ada: x"
            if end == "logout":
                client.post("/session/logout")
            elif end == "revoked":
                client.portal.call(site.manager.revoke_all, "ada")  # type: ignore[union-attr]  # inside `with`
            else:
                client.post("/login", json=LOGIN)
            for socket in (first, second):
                assert socket.receive() == {"type": "websocket.close", "code": 1008, "reason": end}


@pytest.mark.parametrize(("seconds", "reason"), [(1800, "idle_timeout"), (12 * 3600, "absolute_timeout")])
def test_a_session_that_runs_out_closes_its_sockets(make_site: MakeSite, seconds: float, reason: str) -> None:
    site = make_site(policy=Policy(idle_timeout=min(seconds, 12 * 3600)))
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        with client.websocket_connect("wss://app.test/echo") as socket:
            site.clock.pass_seconds(seconds)
            assert socket.receive() == {"type": "websocket.close", "code": 1008, "reason": reason}


def test_a_replayed_token_opens_a_socket_of_its_own_and_takes_none_over(make_site: MakeSite) -> None:
    site = make_site()
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        with client.websocket_connect("wss://app.test/echo") as first:
            with client.websocket_connect("wss://app.test/echo") as second:
                second.send_text("second")
                assert second.receive_text() == "ada: second"
            first.send_text("first")
            assert first.receive_text() == "ada: first"


def test_an_ended_token_opens_a_socket_as_nobody(make_site: MakeSite) -> None:
    site = make_site()
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        token = client.cookies[COOKIE]
        client.post("/logout")
        headers = {"cookie": f"{COOKIE}={token}"}
        with client.websocket_connect("wss://app.test/echo", headers=headers) as socket:
            socket.send_text("x")
            assert socket.receive_text() == "None: x"


def test_a_socket_for_members_only_is_refused_to_nobody_without_a_traceback(site: Site) -> None:
    with site.socket_client() as client:
        assert closed_with(client, "wss://app.test/members") == (1008, "login-required")


def test_a_socket_closes_where_the_store_does_not_answer_at_the_handshake(make_site: MakeSite) -> None:
    store = Outage()
    site = Site(store)
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        store.healthy = 0
        assert closed_with(client, "wss://app.test/echo") == (1013, "sessions are not available")


def test_a_session_that_ends_closes_the_socket_though_the_store_failed_at_first() -> None:
    store = Outage()
    site = Site(store)
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        store.healthy = 1
        with client.websocket_connect("wss://app.test/echo") as socket:
            socket.send_text("x")
            assert socket.receive_text() == "ada: x"
            store.healthy = 1_000_000
            client.post("/logout")
            assert socket.receive() == {"type": "websocket.close", "code": 1008, "reason": "logout"}


def test_while_the_store_is_down_a_socket_lives_no_longer_than_its_session_could() -> None:
    store = Outage()
    site = Site(store)
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        with client.websocket_connect("wss://app.test/echo") as socket:
            socket.send_text("x")
            assert socket.receive_text() == "ada: x"
            client.portal.call(_wait_for_watch)  # type: ignore[union-attr]  # inside `with`
            store.healthy = 0
            site.clock.pass_seconds(1801)
            assert socket.receive()["code"] == 1008


def test_a_change_that_comes_too_late_does_not_stop_the_watch(make_site: MakeSite) -> None:
    site = make_site(policy=Policy(touch_interval=0))
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        with client.websocket_connect("wss://app.test/append") as socket:
            client.post("/logout")
            socket.send_text("late")
            answers = [socket.receive()]
            while answers[-1]["type"] != "websocket.close":
                answers.append(socket.receive())
            assert answers[-1] == {"type": "websocket.close", "code": 1008, "reason": "logout"}


def test_an_open_socket_that_is_silent_does_not_keep_its_session_alive(make_site: MakeSite) -> None:
    site = make_site(policy=Policy(touch_interval=0))
    with site.socket_client() as client:
        client.post("/login", json=LOGIN)
        with client.websocket_connect("wss://app.test/echo") as socket:
            site.clock.pass_seconds(1799)
            client.portal.call(_wait_for_watch)  # type: ignore[union-attr]  # inside `with`
            site.clock.pass_seconds(1)
            assert socket.receive()["reason"] == "idle_timeout"


async def _wait_for_watch() -> None:
    """Long enough for the watch to have looked at least once."""
    await asyncio.sleep(1.2)
