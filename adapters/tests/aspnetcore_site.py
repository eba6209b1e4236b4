"""An ASP.NET Core site on the session service: the SDK, what it builds, and Kestrel."""

from __future__ import annotations

import fcntl
import functools
import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.tests.visitor import Visitor
from tests.servers.port import find_port
from tests.servers.process import Process, Running
from tests.servers.waiting import wait_until

__all__ = ["ASPNETCORE", "DOTNETS", "Dotnet", "Site"]

ROOT = Path(__file__).parents[2]
ASPNETCORE = ROOT / "adapters" / "aspnetcore"
BUILD = ROOT / ".build"
SDK = BUILD / "dotnet"
_COMPLETE = {"Microsoft.NETCore.App", "Microsoft.AspNetCore.App"}
_PATIENCE = 300  # seconds, for a build on a busy machine


@dataclass(frozen=True)
class Dotnet:
    """A .NET to run programs on; one without an SDK has them compiled by another's."""

    program: Path
    version: tuple[int, int]
    has_sdk: bool

    @property
    def name(self) -> str:
        """As a project's TargetFramework."""
        major, minor = self.version
        return f"net{major}.{minor}" if major >= 5 else f"netcoreapp{major}.{minor}"

    @property
    def environment(self) -> dict[str, str]:
        environment = {
            "COMPlus_EnableDiagnostics": "0",  # or each process leaves pipes behind in /tmp
            "DOTNET_CLI_HOME": str(BUILD),
            "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
            "DOTNET_GENERATE_ASPNET_CERTIFICATE": "false",
            "DOTNET_NOLOGO": "1",
            "DOTNET_ROOT": str(self.program.parent),
            "DOTNET_SKIP_FIRST_TIME_EXPERIENCE": "1",
            "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
        }
        openssl = self.program.parent / "openssl"
        return {**environment, "LD_LIBRARY_PATH": str(openssl)} if openssl.exists() else environment

    def build(self, project: str) -> Path:
        """The program that a folder of the adapter builds, built anew where its sources changed."""
        return _build(self, project)

    def pack(self, folder: Path) -> Path:
        """The adapter as a package of NuGet, in `folder`."""
        with _locked():
            _succeed(self, ["pack", str(ASPNETCORE / "src"), "-o", str(folder), *_options(self)])
        (package,) = folder.glob("*.nupkg")
        return package

    def run(self, program: Path, *words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """What `program` says and how it ends. Where it does not, TimeoutExpired."""
        given = {**os.environ, **self.environment, **environment}
        command = [str(self.program), str(program), *words]
        return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)


def _find() -> list[Dotnet]:
    """The one of SOJOURN_DOTNET; without it, those that scripts/dotnet has fetched."""
    named = os.environ.get("SOJOURN_DOTNET")
    if named:
        program = Path(shutil.which(named) or named).resolve()
        given = {**os.environ, **Dotnet(program, (0, 0), has_sdk=True).environment}
        command = [str(program), "--version"]
        told = subprocess.run(
            command, env=given, capture_output=True, text=True, check=True, timeout=60, cwd=ASPNETCORE
        )
        major, minor = told.stdout.split(".")[:2]
        return [Dotnet(program, (int(major), int(minor)), has_sdk=True)]
    fetched = [
        Dotnet(SDK / "dotnet", (3, 1), has_sdk=True),
        Dotnet(BUILD / "dotnet9" / "dotnet", (9, 0), has_sdk=False),
    ]
    return [each for each in fetched if (each.program.parent / "ready").exists()]


@functools.cache
def _build(dotnet: Dotnet, project: str) -> Path:
    with _locked():
        return _build_by_sdk(dotnet, project) if dotnet.has_sdk else _compile(dotnet, project)


@contextmanager
def _locked() -> Iterator[None]:
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "aspnetcore.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the test runner's workers share the folder
        yield


def _options(dotnet: Dotnet) -> list[str]:
    words = ["-nologo", "-v", "quiet", "-nodeReuse:false", "-c", "Release", "-p:UseSharedCompilation=false"]
    words.append(f"-p:OneFramework={dotnet.name}")
    if dotnet.version < (5, 0):
        no_packages = BUILD / "no-packages"  # its own folder has all that is needed
        no_packages.mkdir(exist_ok=True)
        words.append(f"-p:RestoreSources={no_packages}")
    return words


def _build_by_sdk(dotnet: Dotnet, project: str) -> Path:
    _succeed(dotnet, ["build", str(ASPNETCORE / project), *_options(dotnet)])
    (config,) = (ASPNETCORE / project / "bin" / "Release" / dotnet.name).glob("*.runtimeconfig.json")
    return config.with_name(config.name.replace(".runtimeconfig.json", ".dll"))


def _compile(dotnet: Dotnet, project: str) -> Path:
    """As the SDK would, were it as new as `dotnet`: the same sources, against the newer framework."""
    sources = [file for folder in {"src", project} for file in sorted((ASPNETCORE / folder).glob("*.cs"))]
    folder = BUILD / f"aspnetcore-{dotnet.name}" / project
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "program.dll"
    newest = max(file.stat().st_mtime for file in [*sources, Path(__file__)])
    if program.exists() and program.stat().st_mtime > newest:
        return program
    frameworks = [file.parent for file in dotnet.program.parent.glob("shared/*/*/*.deps.json")]
    told = ["-nologo", "-nostdlib+", "-target:exe", "-optimize+", "-deterministic+", "-unsafe+"]
    told += ["-langversion:8.0", "-nullable:enable", "-warnaserror+", f"-out:{program}"]
    told += [f"-define:NET{major}_0_OR_GREATER" for major in range(5, dotnet.version[0] + 1)]
    told += [f'-reference:"{file}"' for framework in frameworks for file in framework.glob("*.dll")]
    (folder / "program.rsp").write_text("\n".join([*told, *(f'"{source}"' for source in sources)]))
    needed = [{"name": framework.parent.name, "version": framework.name} for framework in frameworks]
    assert {each["name"] for each in needed} == _COMPLETE
    config = {"runtimeOptions": {"tfm": dotnet.name, "frameworks": needed}}
    (folder / "program.runtimeconfig.json").write_text(json.dumps(config))
    (compiler,) = SDK.glob("sdk/*/Roslyn/bincore/csc.dll")
    _succeed(Dotnet(SDK / "dotnet", (3, 1), has_sdk=True), [str(compiler), "-noconfig", f"@{folder}/program.rsp"])
    return program


def _succeed(dotnet: Dotnet, words: Sequence[str]) -> None:
    command, given = [str(dotnet.program), *words], {**os.environ, **dotnet.environment}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


DOTNETS = _find()


class Site(Running):
    """A program of the adapter that serves HTTP. It is told its address by `words` and the usual variable."""

    def __init__(
        self,
        folder: Path,
        dotnet: Dotnet,
        project: str,
        environment: Mapping[str, str],
        words: Sequence[str] = ("serve", "{url}"),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = find_port()
        url = f"http://127.0.0.1:{self.port}"
        given = {**dotnet.environment, "ASPNETCORE_URLS": url, **environment}
        command = ["/usr/bin/env", *(f"{name}={value}" for name, value in given.items()), str(dotnet.program)]
        command += [str(dotnet.build(project)), *(word.replace("{url}", url) for word in words)]
        self.process = Process(command, folder, folder / "site.log")
        try:
            wait_until(self._answers, "ASP.NET Core")
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        self.process.require_running()
        self.get("/ready")
        return True

    def get(self, path: str) -> int:
        """The status of an answer without a session."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def visitor(self) -> Visitor:
        return Visitor(self.port)

    def stop(self) -> None:
        self.process.stop()
