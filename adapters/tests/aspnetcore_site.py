"""An ASP.NET Core site on the session service: the SDK, what it builds, and Kestrel."""

from __future__ import annotations

import fcntl
import functools
import http.client
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.tests.visitor import Visitor
from tests.servers.port import find_port
from tests.servers.process import Process, Running
from tests.servers.waiting import wait_until

__all__ = ["ASPNETCORE", "SDK", "Site", "build", "run"]

ROOT = Path(__file__).parents[2]
ASPNETCORE = ROOT / "adapters" / "aspnetcore"
BUILD = ROOT / ".build"
SDK = BUILD / "dotnet"
FRAMEWORK = "netcoreapp3.1"
DOTNET = str(SDK / "dotnet")


def _environment() -> dict[str, str]:
    return {
        "COMPlus_EnableDiagnostics": "0",  # or each process leaves pipes behind in /tmp
        "DOTNET_CLI_HOME": str(BUILD),
        "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
        "DOTNET_GENERATE_ASPNET_CERTIFICATE": "false",
        "DOTNET_NOLOGO": "1",
        "DOTNET_ROOT": str(SDK),
        "DOTNET_SKIP_FIRST_TIME_EXPERIENCE": "1",
        "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
        "LD_LIBRARY_PATH": str(SDK / "openssl"),
    }


@functools.cache
def build(project: str) -> Path:
    """The program that a folder of the adapter builds, built anew where its sources changed."""
    no_packages = BUILD / "no-packages"
    no_packages.mkdir(exist_ok=True)
    words = [DOTNET, "build", str(ASPNETCORE / project), "-nologo", "-v", "quiet", "-nodeReuse:false"]
    words += ["-c", "Release", f"-p:RestoreSources={no_packages}", "-p:UseSharedCompilation=false"]
    with (BUILD / "aspnetcore.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the test runner's workers share the folder
        done = subprocess.run(words, env={**os.environ, **_environment()}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (program,) = (ASPNETCORE / project / "bin" / "Release").glob(f"{FRAMEWORK}/*.runtimeconfig.json")
    return program.with_name(program.name.replace(".runtimeconfig.json", ".dll"))


def run(program: Path, *words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What `program` says and how it ends."""
    given = {**os.environ, **_environment(), **environment}
    return subprocess.run([DOTNET, str(program), *words], env=given, capture_output=True, text=True, check=False)


class Site(Running):
    """A program of the adapter that serves HTTP. It is told its address by `words` and the usual variable."""

    def __init__(self, folder: Path, program: Path, environment: Mapping[str, str], words: Sequence[str] = ()) -> None:
        self.port = find_port()
        url = f"http://127.0.0.1:{self.port}"
        given = {**_environment(), "ASPNETCORE_URLS": url, **environment}
        command = ["/usr/bin/env", *(f"{name}={value}" for name, value in given.items()), DOTNET]
        command += [str(program), *(word.replace("{url}", url) for word in words)]
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
