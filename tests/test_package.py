"""The package as a whole: what it exports, what it loads, and the house rules for its files."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import sojourn
from sojourn.core import errors
from sojourn.core.async_store import AsyncStore
from sojourn.core.store import Store, WatchableStore
from sojourn.remote import AsyncRemoteSessionManager, RemoteSessionManager
from sojourn.stores.cached import AsyncCachedStore, CachedStore
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.testing.blocking import Blocking

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "sojourn"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in FILES
    if file.name != "__main__.py"
]


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def _said(file: Path, what: object) -> str:
    return f"{file.relative_to(PACKAGE)}: {what}"


# Exports


def test_what_a_module_exports_is_there_and_is_named_once() -> None:
    for name in MODULES:
        module = importlib.import_module(name)
        exported = getattr(module, "__all__", [])

        assert [word for word in exported if not hasattr(module, word)] == [], name
        assert len(set(exported)) == len(exported), name


def test_the_package_exports_every_error_but_none_of_the_stores() -> None:
    assert set(errors.__all__) <= set(sojourn.__all__)
    assert not [name for name in sojourn.__all__ if name.endswith("Store")]


def test_the_version_is_the_one_that_is_published() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert sojourn.__version__ == project["version"]


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


# Threads and event loops


PAIRS: list[tuple[type, type]] = [
    (sojourn.SessionManager, sojourn.AsyncSessionManager),
    (Store, AsyncStore),
    (MemoryStore, AsyncMemoryStore),
    (SQLiteStore, AsyncSQLiteStore),
    (PostgresStore, AsyncPostgresStore),
    (RedisStore, AsyncRedisStore),
    (CachedStore, AsyncCachedStore),
    (RemoteSessionManager, AsyncRemoteSessionManager),
    (sojourn.SessionManager, RemoteSessionManager),
    (Store, MemoryStore),
    (Store, SQLiteStore),
    (WatchableStore, PostgresStore),
    (WatchableStore, RedisStore),
    (WatchableStore, CachedStore),
    (Store, Blocking),
]


# An event loop's alone: threads wait without giving a turn to anybody.
WITHOUT_A_TURN = {"at_hand", "open_at_hand", "wait_for_end"}


def _methods(kind: type) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {
        name: inspect.signature(function)
        for name, function in found
        if not name.startswith("_") and name not in WITHOUT_A_TURN
    }


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " and ".join(kind.__name__ for kind in pair))
def test_both_of_a_pair_have_the_same_methods(pair: tuple[type, type]) -> None:
    """Names, parameters, defaults and annotations: what differs is the waiting."""
    one, other = map(_methods, pair)

    assert one == other
    assert one


@pytest.mark.parametrize("pair", PAIRS[:8], ids=lambda pair: pair[1].__name__)
def test_of_a_pair_one_waits_and_the_other_does_not(pair: tuple[type, type]) -> None:
    calm = {"anonymous", "watch"}  # One does no I/O, in either manager; the other is for a thread, of either store.
    for name in _methods(pair[0]).keys() - calm:
        assert not inspect.iscoroutinefunction(getattr(pair[0], name))
        assert inspect.iscoroutinefunction(getattr(pair[1], name))


# What is awaited where the manager's methods are.
WAITING = {"Store": "AsyncStore", "BeforeCreate | None": "AsyncBeforeCreate | None"}


def test_both_managers_are_made_alike() -> None:
    one, other = (inspect.signature(kind) for kind in PAIRS[0])
    assert [
        parameter.replace(annotation=WAITING.get(parameter.annotation, parameter.annotation))
        for parameter in one.parameters.values()
    ] == [*other.parameters.values()]


# What a handler sees


def test_a_handler_sees_a_mapping_and_few_names_more() -> None:
    """Each of them is for applications: what only managers and integrations need begins with an underscore."""
    session = sojourn.SessionManager(MemoryStore()).anonymous()
    more = {name for name in dir(session) if name[0] != "_"} - set(dir(dict))

    assert more == {
        *("authenticated_at", "client", "end_reason", "id", "level", "methods", "opened_at", "passive", "status"),
        *("user_id", "grant_once", "increment", "login", "logout", "regenerate", "require_login", "start", "use_grant"),
    }
    assert len(more) <= 18


# What is loaded


def test_the_package_alone_loads_no_framework_no_driver_and_no_event_loop() -> None:
    heavy = ["asyncio", "click", "fastapi", "opentelemetry", "prometheus_client", "redis", "psycopg", "sqlite3"]
    heavy += ["starlette", "ua_parser", "uvicorn"]
    code = f"import sys, sojourn; print(*[name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.split() == []


def test_a_store_in_memory_loads_no_driver() -> None:
    code = "import sys, sojourn; sojourn.open_store('memory:'); print('sqlite3' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "False"


def loaded_by(module: str) -> set[str]:
    """The names of the modules that are there once this one was imported."""
    code = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", ["sojourn.asgi", "sojourn.wsgi"])
def test_the_middleware_loads_what_it_needs_and_no_more(module: str) -> None:
    loaded = loaded_by(module)

    assert not loaded & {"click", "fastapi", "starlette", "sqlite3", "ua_parser", "uvicorn"}
    assert not loaded & {"opentelemetry", "prometheus_client", "sojourn.observed"}
    assert "sojourn.adopt" not in loaded
    assert "sojourn.browser" not in loaded
    assert len([name for name in loaded if name.partition(".")[0] == "sojourn"]) <= 36


@pytest.mark.parametrize("module", ["sojourn.wsgi", "sojourn.flask", "sojourn.exchange", "sojourn.stores.sqlite"])
def test_what_is_for_threads_loads_no_event_loop(module: str) -> None:
    assert "asyncio" not in loaded_by(module)


def test_the_wire_is_spoken_without_the_service() -> None:
    loaded = loaded_by("sojourn.remote")
    remote = {name for name in loaded if name.startswith("sojourn.")}

    assert not loaded & {"asyncio", "click", "httptools", "sqlite3", "starlette", "ua_parser", "uvicorn"}
    assert not [name for name in remote if name.startswith(("sojourn.service", "sojourn.browser", "sojourn.asgi"))]
    assert len(remote) <= 42


# House rules


# The one class of its kind that each framework has.
OF_EACH_FRAMEWORK = {"BrowserEndpoints", "SessionMiddleware"}
# What each of several wings has of its own: so a file's name is that of another in a folder beside it, or below.
OF_EACH_STORE = {"connections", "errors", "facts", "operations", "rows", "schema", "tables", "weaknesses"}
OF_EACH_INTEGRATION = {"endpoints", "exchange", "logged_in", "middleware", "request", "session", "settings"}
OF_EACH_PROGRAM = {"application", "openapi", "operators", "server"}
# A noun of the core, or of a wing, and what else is there of the same: its manager, command, page, test, other end.
OF_ONE_NOUN = {
    *("async_store", "audit", "batch", "cleanup", "commits", "copy", "devices", "duration", "event_stream", "events"),
    *("keys", "manager", "plain_change", "policy", "selection", "sessions", "store"),
}


def test_two_things_have_two_names() -> None:
    classes = Counter(
        node.name
        for file in FILES
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.ClassDef) and node.name[0] != "_"
    )
    files = Counter(file.stem for file in FILES if file.stem != "__init__")

    assert {name for name, count in classes.items() if count > 1} == OF_EACH_FRAMEWORK
    shared = OF_EACH_STORE | OF_EACH_INTEGRATION | OF_EACH_PROGRAM | OF_ONE_NOUN
    assert {name for name, count in files.items() if count > 1} == shared


def test_a_file_is_short() -> None:
    assert [_said(file, length) for file in FILES if (length := len(file.read_text().splitlines())) > 300] == []


def _public_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """The module, and what it and its public classes define under a public name."""
    yield tree
    waiting: list[ast.Module | ast.ClassDef] = [tree]
    while waiting:
        for node in waiting.pop().body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name[0] != "_":
                yield node
                if isinstance(node, ast.ClassDef):
                    waiting.append(node)


def test_everything_public_says_what_it_is() -> None:
    silent = [
        _said(file, getattr(node, "name", "the module"))
        for file in FILES
        for node in _public_nodes(parsed(file))
        if not ast.get_docstring(node)  # type: ignore[arg-type]  # each is of a kind that can have one
    ]

    assert silent == []


def test_a_function_is_short() -> None:
    """Of lines of code: a docstring may be as long as it needs."""
    long = []
    for file in FILES:
        for node in ast.walk(parsed(file)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                if (node.end_lineno or 0) - first.lineno >= 40:
                    long.append(_said(file, node.name))

    assert long == []


def test_nothing_is_printed() -> None:
    calls = [(file, node.func) for file in FILES for node in ast.walk(parsed(file)) if isinstance(node, ast.Call)]
    names = [(file, call.id) for file, call in calls if isinstance(call, ast.Name)]

    assert [_said(file, name) for file, name in names if name in ("print", "breakpoint", "pprint")] == []


def test_a_file_is_named_by_the_noun_it_holds() -> None:
    words = {"utils", "helpers", "base", "common", "misc"}

    assert [file for file in FILES if words & set(file.relative_to(PACKAGE).with_suffix("").parts)] == []
