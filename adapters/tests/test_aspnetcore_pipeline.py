"""The ASP.NET Core adapter among others: caches, endpoints without a session, static assets, authentication."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from adapters.tests.aspnetcore_site import ASPNETCORE, DOTNETS, Dotnet, Site
from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.visitor import COOKIE, Answer, Visitor
from tests.servers.waiting import wait_until
from tests.service.backend import Backend

pytestmark = pytest.mark.skipif(not DOTNETS, reason="scripts/dotnet has fetched no SDK")

CACHES = ["response-outside", "response-inside", "output-outside", "output-inside"]
ASSETS = [f"{number}.css" for number in range(6)]


@pytest.fixture(scope="module", params=DOTNETS, ids=lambda dotnet: dotnet.name)
def dotnet(request: pytest.FixtureRequest) -> Dotnet:
    found: Dotnet = request.param
    return found


@pytest.fixture
def environment(relay: Relay, service: SessionService) -> dict[str, str]:
    relay.forget()
    return {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}


# Caches


@pytest.fixture(scope="module")
def caches(
    tmp_path_factory: pytest.TempPathFactory, dotnet: Dotnet, relay: Relay, service: SessionService
) -> Iterator[Site]:
    given = {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
    with Site(tmp_path_factory.mktemp("caches"), dotnet, "tests", given, ["caches", "{url}"]) as site:
        yield site


@pytest.fixture(params=CACHES)
def cache(request: pytest.FixtureRequest, dotnet: Dotnet) -> str:
    name: str = request.param
    if name.startswith("output") and dotnet.version < (7, 0):
        pytest.skip("the output cache is there from .NET 7 on")
    return name


def get(visitor: Visitor, path: str) -> Answer:
    answer = visitor.send("GET", path)
    assert answer.status == 200, answer.body
    return answer


def test_a_page_without_a_session_is_cached(caches: Site, cache: str) -> None:
    first = get(caches.visitor(), f"/{cache}/public").body
    member = caches.visitor()
    get(member, f"/{cache}/login?user=ada")
    assert get(caches.visitor(), f"/{cache}/public").body == first
    assert get(member, f"/{cache}/public").body == first


def assert_own_page(caches: Site, path: str) -> None:
    place = path.split("/")[1]
    visitors = {name: caches.visitor() for name in ("ada", "bob")}
    for name, visitor in visitors.items():
        get(visitor, f"/{place}/login?user={name}")
    visitors["nobody"] = caches.visitor()
    for _ in range(2):
        for name, visitor in visitors.items():
            assert get(visitor, path).body.startswith(f"hello {name}, ")


@pytest.mark.parametrize("page", ["me", "me-late"])
def test_a_page_that_read_a_session_is_given_to_nobody_else(caches: Site, cache: str, page: str) -> None:
    assert_own_page(caches, f"/{cache}/{page}")


@pytest.mark.parametrize("cache", [name for name in CACHES if name.endswith("-inside")], indirect=True)
@pytest.mark.parametrize("page", ["looked", "looked-late"])
def test_nor_is_one_where_middleware_looked_before_the_cache(caches: Site, cache: str, page: str) -> None:
    assert_own_page(caches, f"/{cache}/{page}")


@pytest.mark.parametrize("page", ["begin", "begin-late"])
def test_an_answer_that_begins_a_session_is_given_to_nobody_else(caches: Site, cache: str, page: str) -> None:
    visitors = [caches.visitor() for _ in range(4)]
    answers = [get(visitor, f"/{cache}/{page}") for visitor in visitors]

    assert len({visitor.token for visitor in visitors} - {None}) == 4
    assert len({answer.body for answer in answers}) == 4
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["age"] is None
    assert get(visitors[0], f"/{cache}/{page}").body.startswith("visit 2, ")


def test_a_log_in_is_given_to_nobody_else(caches: Site, cache: str) -> None:
    visitors = [caches.visitor() for _ in range(3)]
    for visitor in visitors:
        get(visitor, f"/{cache}/login?user=eve")
    assert len({visitor.token for visitor in visitors} - {None}) == 3


@pytest.mark.parametrize("place", ["response-outside", "output-outside"])
def test_an_answer_that_renews_a_token_is_not_cached(
    tmp_path: Path, dotnet: Dotnet, environment: Mapping[str, str], place: str
) -> None:
    if place.startswith("output") and dotnet.version < (7, 0):
        pytest.skip("the output cache is there from .NET 7 on")
    with SessionService(tmp_path / "renewing", {"rotate_interval": 0}) as renewing:
        given = {**environment, "SOJOURN_SERVICE": renewing.url, "SOJOURN_KEY": renewing.key}
        (tmp_path / "site").mkdir()
        with Site(tmp_path / "site", dotnet, "tests", given, ["caches", "{url}"]) as site:
            visitor = site.visitor()
            get(visitor, f"/{place}/login?user=ada")
            answers = [get(visitor.copy(), f"/{place}/me") for _ in range(2)]

    assert [answer.body for answer in answers] == ["hello ada, 1", "hello ada, 2"]
    assert len(answers[0].cookies) == 1
    assert answers[0].headers["cache-control"] == "no-store"


# Endpoints


def test_an_endpoint_that_was_told_so_has_no_session(
    tmp_path: Path, dotnet: Dotnet, environment: Mapping[str, str], relay: Relay
) -> None:
    with Site(tmp_path, dotnet, "tests", environment, ["endpoints", "{url}", "before"]) as site:
        visitor = site.visitor()
        get(visitor, "/")
        relay.forget()
        paths = ["/none", "/attribute", *(["/group/one"] if dotnet.version >= (7, 0) else [])]
        for path in paths:
            assert get(visitor, path).body == "Session has not been configured for this application or request."
        assert visitor.send("POST", "/none", "", {"sec-fetch-site": "cross-site"}).status == 200
        assert relay.paths == []
        assert json.loads(get(visitor, "/").body)["visits"] == 2


def test_an_endpoint_lets_in_who_has_proved_enough(
    tmp_path: Path, dotnet: Dotnet, environment: Mapping[str, str]
) -> None:
    with Site(tmp_path, dotnet, "tests", environment, ["endpoints", "{url}", "before"]) as site:
        nobody, ada = site.visitor(), site.visitor()
        for path in ("/members", "/fresh", "/sure"):
            assert (nobody.send("GET", path).code, nobody.send("GET", path).status) == ("login-required", 401)
        get(ada, "/login/aal1")
        assert json.loads(get(ada, "/members").body)["user"] == json.loads(get(ada, "/fresh").body)["user"] == "ada"
        groups = ["/sure-group/one"] if dotnet.version >= (7, 0) else []
        for path in ("/sure", *groups):
            refused = ada.send("GET", path)
            assert (refused.status, refused.code) == (401, "reauthentication-required")
            assert refused.problem["level"] == "aal2"
        wait_until(lambda: ada.send("GET", "/at-once").status == 401, "a millisecond")
        assert ada.send("GET", "/at-once").problem["max_age"] == 0.001
        get(ada, "/login/aal2")
        for path in ("/sure", *groups):
            get(ada, path)


def test_an_endpoint_without_a_session_that_needs_a_log_in_lets_nobody_in(
    tmp_path: Path, dotnet: Dotnet, environment: Mapping[str, str]
) -> None:
    with Site(tmp_path, dotnet, "tests", environment, ["endpoints", "{url}", "before"]) as site:
        ada = site.visitor()
        get(ada, "/login/aal3")
        assert ada.send("GET", "/nobody").status == 500


@pytest.mark.parametrize("dotnet", DOTNETS[:1], ids=lambda dotnet: dotnet.name, indirect=True)
def test_a_stream_ends_with_its_session(tmp_path: Path, dotnet: Dotnet, service: SessionService) -> None:
    given = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    with (
        Site(tmp_path, dotnet, "tests", given, ["endpoints", "{url}", "before"]) as site,
        Backend(service.port, service.key) as backend,
        ExitStack() as streams,
    ):
        ada = site.visitor()
        get(ada, "/login/aal1")
        open_streams = []
        for _ in range(2):
            connection = streams.enter_context(closing(HTTPConnection("127.0.0.1", site.port, timeout=30)))
            connection.request("GET", "/prices", headers={"cookie": f"{COOKIE}={ada.token}"})
            open_streams.append(connection.getresponse())
            assert open_streams[-1].readline() == b"data: 42\n"
        assert ada.token is not None
        began = time.monotonic()
        backend.commit(ada.token, status="active", action={"type": "logout"})

        for stream in open_streams:
            assert stream.read() == b"\nevent: end\ndata: logout\n\n"
        # Far from the minute that it would have gone on for.
        assert time.monotonic() - began < 30


def write_assets(folder: Path) -> Path:
    """What a build leaves for MapStaticAssets: a web root, and a manifest of it."""
    endpoints = []
    for name in ASSETS:
        text = f"/* {name} */"
        (folder / name).write_text(text)
        headers = {"Content-Type": "text/css", "Content-Length": str(len(text)), "ETag": f'"{name}"'}
        headers["Last-Modified"] = "Sat, 28 Nov 2026 00:00:00 GMT"
        told_headers = [{"Name": header, "Value": value} for header, value in headers.items()]
        endpoints.append({"Route": name, "AssetFile": name, "ResponseHeaders": told_headers})
    manifest = folder / "site.staticwebassets.endpoints.json"
    more: dict[str, list[str]] = {"Selectors": [], "EndpointProperties": []}
    told = {"Version": 1, "ManifestType": "Publish", "Endpoints": [{**each, **more} for each in endpoints]}
    manifest.write_text(json.dumps(told))
    return manifest


def test_static_assets_ask_nothing_and_need_no_service(
    tmp_path: Path, dotnet: Dotnet, environment: Mapping[str, str], relay: Relay
) -> None:
    if dotnet.version < (9, 0):
        pytest.skip("MapStaticAssets is there from .NET 9 on")
    given = {**environment, "SITE_FILES": str(tmp_path), "SITE_ASSETS": str(write_assets(tmp_path))}
    with Site(tmp_path, dotnet, "tests", given, ["endpoints", "{url}", "before"]) as site:
        visitor = site.visitor()
        get(visitor, "/")
        relay.forget()
        pages = [get(visitor, path).body for path in ["/", *(f"/{name}" for name in ASSETS)]]
        assert pages[1:] == [f"/* {name} */" for name in ASSETS]
        assert relay.paths == ["/v1/open", "/v1/commit"], "the page's own"
        relay.hang_up_after_request = True
        try:
            assert visitor.send("GET", "/").status == 503
            assert get(visitor, f"/{ASSETS[0]}").headers["vary"] is None
        finally:
            relay.hang_up_after_request = False


# Instances and packages


def test_a_session_is_the_same_on_two_instances_that_share_no_keys(
    tmp_path: Path, dotnet: Dotnet, environment: Mapping[str, str]
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    homes = [{**environment, "HOME": str(folder)} for folder in folders]
    words = ["endpoints", "{url}", "before"]
    with (
        Site(folders[0], dotnet, "tests", homes[0], words) as one,
        Site(folders[1], dotnet, "tests", homes[1], words) as two,
    ):
        visitor = one.visitor()
        get(visitor, "/add")
        visitor.port = two.port
        assert json.loads(get(visitor, "/").body) == {"visits": 2, "user": None, "cart": ["tea"], "claims": []}
        visitor.port = one.port
        assert json.loads(get(visitor, "/").body)["visits"] == 3


def test_the_package_has_the_readme_and_it_links_to_nothing_outside(tmp_path: Path, dotnet: Dotnet) -> None:
    readme = (ASPNETCORE / "README.md").read_text()
    assert not re.search(r"\]\((?!https?://)[^)]*\)", readme)
    if not dotnet.has_sdk:
        pytest.skip("only an SDK packs")
    with zipfile.ZipFile(dotnet.pack(tmp_path)) as package:
        assert package.read("README.md").decode("utf-8-sig") == readme
        (nuspec,) = [package.read(name).decode() for name in package.namelist() if name.endswith(".nuspec")]
    assert "<license" in nuspec
    assert ("<readme>README.md</readme>" in nuspec) == (dotnet.version >= (6, 0))


# Authentication


@pytest.mark.parametrize("order", ["before", "after", "again"])
def test_a_provider_may_post_back_in_any_order_of_middleware(
    tmp_path: Path, dotnet: Dotnet, environment: Mapping[str, str], order: str
) -> None:
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://login.example"}
    form = {**foreign, "content-type": "application/x-www-form-urlencoded"}
    with Site(tmp_path, dotnet, "tests", environment, ["endpoints", "{url}", order]) as site:
        answer = site.visitor().send("POST", "/signin-provider", "state=x&code=y+z", form)
        if order == "again":
            assert (answer.status, answer.headers["location"]) == (303, "/signin-provider?state=x&code=y%20z")
        else:  # the handler's own: it knows of no such state
            assert answer.status == 500
            site.process.wait_to_print("The oauth state was missing or invalid")
        assert site.visitor().send("POST", "/", "", foreign).status == 403
