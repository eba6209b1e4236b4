"""The documentation is true: its Python runs, its JavaScript fits the client, its links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args

import pytest
from starlette.testclient import TestClient

from sojourn.browser.state import State
from sojourn.core import errors
from sojourn.core.errors import SojournError
from sojourn.core.problem import problem_of, problem_schema
from sojourn.testing import StoreContract
from sojourn.wire import problems

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        ROOT / "client/README.md",
    ]
    if path.exists()
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of code, and where it begins."""

    page: Path
    line: int
    language: str
    code: str


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in FENCE.finditer(text):
        if match[1] in languages:
            yield Block(page, text.count("\n", 0, match.start()) + 2, match[1], match[2])


def run(page: str, holding: str = "") -> dict[str, Any]:
    """The names that a page's Python block leaves behind, its one that holds this text; tests/pages runs them all."""
    [block] = [block for block in blocks(ROOT / page, "python") if holding in block.code]
    module = sys.modules["page"] = ModuleType("page")  # Litestar looks handlers' annotations up in their module
    # The line numbers of the page, so that a traceback leads there.
    tree = ast.parse("\n" * (block.line - 1) + block.code)
    names: dict[str, Any] = vars(module)
    exec(compile(tree, page, "exec"), names)
    return names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pages make their files in the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_s_application_does_what_it_says(folder: Path) -> None:
    client = TestClient(run("README.md")["app"], base_url="https://testserver")

    refused = client.post("/bag/tea")
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:sojourn:problem:login-required")
    assert client.post("/login").status_code == 200
    assert client.post("/bag/tea").json() == ["tea"]
    assert client.post("/bag/cup").json() == ["tea", "cup"]
    assert client.patch("/session/", json={"set": {"theme": "dark"}}).json()["data"] == {"theme": "dark"}
    assert client.post("/session/logout").json()["end_reason"] == "logout"
    assert client.post("/bag/tea").status_code == 401


def test_the_quickstart_s_applications_do_what_they_say(folder: Path) -> None:
    app = run("docs/quickstart.md", "change_password")["app"]
    bare = TestClient(run("docs/quickstart.md", "bare_app")["bare"], base_url="https://testserver")
    here, elsewhere = (TestClient(app, base_url="https://testserver") for _ in range(2))

    assert [bare.get("/").text for _ in range(2)] == ["1", "2"]
    form = {"user": "bob", "password": "wrong"}
    assert here.post("/login", json=form).status_code == 403
    for client in (here, elsewhere):
        assert client.post("/login", json={**form, "password": "bob-password"}).status_code == 200
    assert here.post("/password", json={"password": "new"}).json() == 1
    assert (here.get("/me").json(), elsewhere.get("/me").status_code) == ("You are bob.", 401)


def test_the_quickstart_s_log_in_that_commits_makes_room_and_tells_the_new_id(folder: Path) -> None:
    app = run("docs/quickstart.md", "SessionLimitReached")["app"]
    first, second = (TestClient(app, base_url="https://testserver") for _ in range(2))
    told = [client.post("/login/bob").json() for client in (first, second)]
    states = [client.get("/session/").json() for client in (first, second)]

    assert [state["id"] for state in states] == told
    assert [state["end_reason"] for state in states] == ["revoked", None]


def test_the_browser_page_has_every_key_of_the_state() -> None:
    _, _, page = (ROOT / "docs/browser.md").read_text("utf-8").partition("| Key | Holds |")
    table, _, _ = page.partition("\n\n")
    keys = [key for line in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", line.split("|")[1])]

    assert sorted(keys) == sorted(State.__struct_fields__)


def test_the_contract_of_the_stores_page_passes(folder: Path) -> None:
    contract = run("docs/stores.md", "TestMyStore")["TestMyStore"]
    tests = [name for name in dir(StoreContract) if name.startswith("test_")]
    for test in tests:
        case = contract()
        case.setup_method()
        getattr(case, test)()
        case.teardown_method()

    assert len(tests) > 20


def test_the_javascript_of_the_pages_fits_the_client(tmp_path: Path) -> None:
    node = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    compiler = ROOT / "client/node_modules/typescript/bin/tsc"
    types = ROOT / "client/dist/index.d.ts"
    if node is None or not compiler.exists() or not types.exists():
        pytest.fail("The client's tools or types are missing: run `make client`.")
    client = [str(types)]
    options = {
        "target": "ES2022",
        "module": "ESNext",
        "moduleResolution": "Bundler",
        "lib": ["ES2022", "DOM", "DOM.Iterable"],
        "types": [],
        "jsx": "preserve",
        "allowJs": True,
        "checkJs": True,
        "noEmit": True,
        "strict": False,
        "paths": {
            "/session/client.js": client,
            "/session/live.js": [str(types.with_name("live.d.ts"))],
            "/session/step-up.js": [str(types.with_name("step-up.d.ts"))],
            "/session/bound.js": [str(types.with_name("bound.d.ts"))],
            "sojourn-client": client,
            "sojourn-client/react": [str(types.with_name("react.d.ts"))],
        },
    }
    tmp_path.joinpath("tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["."]}))
    tmp_path.joinpath("jsx.d.ts").write_text(JSX)
    found = [block for page in PAGES for block in blocks(page, "js", "jsx", "ts")]
    for block in found:
        own = re.match(r"// (\w+\.js)\n", block.code)  # a file that another block of the page imports
        name = own[1] if own else f"{block.page.stem.lower()}-{block.line}.{block.language}"
        # In some, names like `form` stand for the reader's own.
        free = "declare const form: any, greet: any, askToStay: any;\n" if block.language == "ts" else ""
        tmp_path.joinpath(name).write_text(free + block.code)
    command = [node, str(compiler), "--project", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)

    assert len(found) > 5
    assert (done.returncode, done.stdout) == (0, "")


JSX = """
declare namespace JSX {
	interface IntrinsicElements {
		[name: string]: any;
	}
}
"""


@pytest.mark.parametrize("page", NAMES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    source = ROOT / page
    text = FENCE.sub("", source.read_text("utf-8"))
    targets = [first or second for first, second in LINK.findall(text)]
    broken = [target for target in targets if not re.match(r"[a-z]+:", target) and not leads_somewhere(source, target)]

    assert broken == []


def leads_somewhere(source: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = (source.parent / path).resolve() if path else source
    if not found.exists():
        return False
    if not anchor or found.suffix != ".md":
        return True
    headings = HEADING.findall(FENCE.sub("", found.read_text("utf-8")))
    names = [re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
    # Of headings that read alike, GitHub numbers the second and those after it.
    return anchor in {f"{name}-{names[:at].count(name)}".removesuffix("-0") for at, name in enumerate(names)}


# The errors page


def codes_in_code() -> dict[str, int]:
    """Every problem code in the package, with its status, read from the code: but for the demo's own."""
    found: dict[str, int] = {}
    for path in (ROOT / "src/sojourn").rglob("*.py"):
        if "demo" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match constants(node):
                case [int(status), str(code)] if 400 <= status < 600:
                    found[code] = status
    return found


def constants(node: ast.AST) -> list[object]:
    """The status and code of a problem: `Problem(status=…, code=…)`, `_refuse(…, "code")` or a tuple of the table."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Problem", "_refuse"):
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        members = [given["status"], given["code"]] if "code" in given else node.args[:2]
    elif isinstance(node, ast.Tuple):
        members = node.elts[:2]
    else:
        return []
    return [member.value for member in members if isinstance(member, ast.Constant)]


def test_the_errors_page_has_every_code_with_its_status() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (ROOT / "docs/errors.md").read_text("utf-8"), re.MULTILINE)

    assert {code: int(status) for code, status in rows} == codes_in_code()
    assert [int(status) for _, status in rows] == sorted(int(status) for _, status in rows)


def test_the_client_s_type_of_a_code_has_every_code_of_the_errors_page_that_a_browser_meets() -> None:
    text = (ROOT / "docs/errors.md").read_text("utf-8")
    codes = text.partition("## Problem codes")[2].partition("## Exceptions")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (?:\d+ \| ([a-z, ]+) \|)?", codes, re.MULTILINE)
    typed = (ROOT / "client/src/errors.ts").read_text("utf-8").partition("export class")[0]

    assert sorted(re.findall(r'^\t\| "([a-z-]+)"', typed, re.MULTILINE)) == sorted(
        code for code, source in rows if source != "service"
    )


def test_the_errors_page_says_what_each_error_holds() -> None:
    text = (ROOT / "docs/errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| (`[a-z-]+`(?:, `[a-z-]+`)*) \|", text, re.MULTILINE)
    said = {name: set(re.findall(r"`([a-z-]+)`", codes)) for name, codes in rows}
    held: dict[str, set[str]] = {}
    found = [
        problem_of(errors.SessionEnded("logout")),
        problem_of(errors.LoginRequired("logout")),
        problem_of(errors.ReauthenticationRequired(60, "aal2", "pay")),
        problem_of(errors.SessionConflict(("a",))),
        problem_of(errors.SessionLimitReached(1)),
        problem_of(errors.SessionRefused(retry_after=1)),
        problem_of(errors.DataTooLarge(2, 1)),
        problem_of(errors.ProofRefused("proof-without-nonce", "1")),
        problem_of(errors.ProofRefused("proof-stale-nonce", "1")),
        problem_of(errors.ProofRefused("proof-time", "1")),
        problems.body_too_large(1),
        problems.batch_too_large(1),
    ]
    for problem in filter(None, found):
        for name in json.loads(problem.body()).keys() - {"type", "title", "status", "detail"}:
            held.setdefault(name, set()).add(problem.code)

    assert said.keys() == problem_schema()["properties"].keys() - {"type", "title", "status", "detail"}
    said["keys"].remove("not-writable")  # of the endpoints, which tests/http shows
    assert said == held


def test_the_page_on_binding_has_every_code_of_a_refused_proof() -> None:
    text = (ROOT / "docs/binding.md").read_text("utf-8").partition("## What is refused")[2]
    rows = re.findall(r"^\| (`proof-[^|]+) \|", text, re.MULTILINE)

    assert re.findall("`([a-z-]+)`", " ".join(rows)) == list(get_args(errors.Flaw))


def test_the_errors_page_has_every_exception_with_its_code() -> None:
    text = (ROOT / "docs/errors.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([A-Z]\w+)` \| (?:`([a-z-]+)`|–) \|", text, re.MULTILINE))
    raised = {name: getattr(errors, name) for name in errors.__all__ if name not in ("EndReason", "SojournError")}
    arguments: dict[str, tuple[object, ...]] = {
        "DataTooLarge": (2, 1),
        "SessionEnded": (None,),
        "SessionConflict": ((),),
        "SessionLimitReached": (1,),
        "ProofRefused": ("proof-required",),
        "ReauthenticationRequired": (1,),
        "UnreadableRecord": ("0" * 32,),
    }

    assert rows.keys() == raised.keys()
    for name, kind in raised.items():
        error = kind(*arguments.get(name, ()))
        assert isinstance(error, SojournError)
        problem = problem_of(error)
        assert rows[name] == (problem.code if problem else "")


def test_what_is_installed_is_a_checkout_with_extras_that_there_are() -> None:
    """No index has the package: a line that names it there would install nothing, or somebody else's."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    texts = [page.read_text("utf-8") for page in [*PAGES, *ROOT.glob("adapters/*/README.md")]]
    asked = [each for text in texts for each in re.findall(r"pip install '([^']*)'", text)]
    sources = [file.read_text("utf-8") for file in (ROOT / "src").rglob("*.py")]

    assert len(asked) > 9
    for each in asked:
        assert re.fullmatch(r"\.\[[a-z,]+\]", each), each
        assert set(each[2:-1].split(",")) <= extras.keys()
    assert sum("pip install '" in source for source in sources) == 1, "it is said in core/extras.py"
