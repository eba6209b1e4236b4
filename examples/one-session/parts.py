"""Parts: the processes of this example, and what each of them needs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["BACK_ENDS", "Absent", "Part", "find_nginx", "nginx", "service"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = Path(sys.executable).parent
AS_ROOT = os.geteuid() == 0
SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"


class Absent(Exception):
    """Something that a part needs is not there. The text says what, and how to come by it."""


@dataclass(frozen=True)
class Part:
    """A process: how it is started, and the unix socket or port where it then listens."""

    name: str
    command: list[str]
    address: Path | int
    folder: Path = HERE
    environment: Mapping[str, str] = field(default_factory=dict)


def service(folder: Path, keys: Path, port: int) -> Part:
    """`sojourn serve`, which keeps the sessions for all of them."""
    given = ["--config", str(HERE / "sojourn.toml"), "--store", f"sqlite:///{folder}/sessions.sqlite3"]
    command = [sys.executable, "-m", "sojourn", "serve", *given, "--keys", str(keys), "--port", str(port)]
    return Part("session", command, port)


def python(folder: Path, environment: Mapping[str, str]) -> Part:
    """FastAPI."""
    listen = folder / "python.sock"
    command = [sys.executable, "-m", "uvicorn", "app:app", "--uds", str(listen), "--forwarded-allow-ips", "*"]
    return Part("python", [*command, "--no-access-log", "--log-level", "warning"], listen, HERE / "python", environment)


def express(folder: Path, environment: Mapping[str, str]) -> Part:
    """Express."""
    node = shutil.which("node", path=f"{PROGRAMS}:{os.environ['PATH']}")
    if node is None:
        raise Absent("Node is not there: install Node 20 or later.")
    if not (HERE / "express/node_modules/express").is_dir():
        raise Absent("Its packages are not there: cd examples/one-session/express && npm ci")
    if not (ROOT / "adapters/express/dist/index.js").is_file():
        raise Absent("The adapter is not built: cd adapters/express && npm ci && npm run build")
    listen = folder / "express.sock"
    return Part("express", [node, "app.js"], listen, HERE / "express", {**environment, "LISTEN": str(listen)})


FPM = """\
[global]
error_log = /dev/stderr
log_level = warning
daemonize = no
[www]
listen = {listen}
user = root
pm = static
pm.max_children = 12
catch_workers_output = yes
decorate_workers_output = no
php_admin_value[error_log] = /dev/stderr
php_admin_value[display_errors] = 0
php_admin_value[zend.exception_ignore_args] = 1
env[SOJOURN_SERVICE] = $SOJOURN_SERVICE
env[SOJOURN_KEY] = $SOJOURN_KEY
"""


def php(folder: Path, environment: Mapping[str, str]) -> Part:
    """PHP-FPM, which nginx talks to directly."""
    # Debian names it after its version.
    found = sorted(str(file) for place in SYSTEM.split(":") for file in Path(place).glob("php-fpm*"))
    if not found:
        raise Absent("PHP-FPM is not there: apt-get install php-fpm")
    listen, settings = folder / "php.sock", folder / "php-fpm.conf"
    settings.write_text(FPM.format(listen=listen))
    command = [found[-1], "--nodaemonize", "--fpm-config", str(settings)]
    return Part("php", [*command, *(["--allow-to-run-as-root"] if AS_ROOT else [])], listen, HERE / "php", environment)


def aspnet(folder: Path, environment: Mapping[str, str]) -> Part:
    """ASP.NET Core, built where its sources have changed."""
    sdk = ROOT / ".build/dotnet"
    if not (sdk / "ready").is_file():
        raise Absent("The .NET SDK is not in .build/dotnet: scripts/dotnet fetches it, for Linux on x86-64 alone.")
    dotnet = {
        "COMPlus_EnableDiagnostics": "0",  # or it leaves pipes behind in /tmp
        "DOTNET_CLI_HOME": str(ROOT / ".build"),
        "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
        "DOTNET_GENERATE_ASPNET_CERTIFICATE": "false",
        "DOTNET_NOLOGO": "1",
        "DOTNET_ROOT": str(sdk),
        "DOTNET_SKIP_FIRST_TIME_EXPERIENCE": "1",
        "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
        "LD_LIBRARY_PATH": str(sdk / "openssl"),
    }
    program = _build(sdk / "dotnet", dotnet)
    listen = folder / "aspnet.sock"
    told = {"ASPNETCORE_URLS": f"http://unix:{listen}", "Logging__LogLevel__Default": "Warning"}
    return Part(
        "aspnet", [str(sdk / "dotnet"), str(program)], listen, HERE / "aspnet", {**environment, **dotnet, **told}
    )


def _build(dotnet: Path, environment: Mapping[str, str]) -> Path:
    project, adapter = HERE / "aspnet", ROOT / "adapters/aspnetcore"
    sources = [
        *adapter.glob("Directory.Build.*"),
        *adapter.glob("src/*.*"),
        *project.glob("*.*"),
        dotnet.parent / "ready",
    ]
    built = project / "bin/built"
    no_packages = ROOT / ".build/no-packages"
    with (ROOT / ".build/aspnetcore.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the adapter's tests build in the same folder
        if not built.exists() or built.stat().st_mtime <= max(source.stat().st_mtime for source in sources):
            print("aspnet  | building …", flush=True)
            no_packages.mkdir(exist_ok=True)
            words = ["build", str(project), "-nologo", "-v", "quiet", "-c", "Release", "-nodeReuse:false"]
            words += [f"-p:RestoreSources={no_packages}", "-p:UseSharedCompilation=false"]
            given = {**os.environ, **environment}
            done = subprocess.run([str(dotnet), *words], env=given, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Absent(f"It does not build:\n{done.stdout}{done.stderr}")
            built.touch()
    (program,) = project.glob("bin/Release/*/OneSession.runtimeconfig.json")
    return program.with_name("OneSession.dll")


BACK_ENDS: Mapping[str, Callable[[Path, Mapping[str, str]], Part]] = {
    "python": python,
    "express": express,
    "php": php,
    "aspnet": aspnet,
}

NGINX = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ }}
http {{
    access_log off;
    types {{ text/html html; text/css css; text/javascript js; image/svg+xml svg; }}
    {temporary}
    upstream session {{ server 127.0.0.1:{service}; }}
    {upstreams}
    server {{
        listen 127.0.0.1:{port};
        include {here}/nginx.conf;
    }}
}}
"""


def find_nginx() -> str:
    """The program; raises Absent."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:{SYSTEM}")
    if found is None:
        raise Absent("nginx is not there: apt-get install nginx-light")
    return found


def nginx(folder: Path, service: int, port: int) -> Part:
    """What browsers see. It needs no rights: all that it writes is in `folder`."""
    settings = folder / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    settings.write_text(
        NGINX.format(
            folder=folder,
            here=HERE,
            port=port,
            service=service,
            user="user root;" if AS_ROOT else "",
            temporary=" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
            upstreams=" ".join(f"upstream {name} {{ server unix:{folder}/{name}.sock; }}" for name in BACK_ENDS),
        )
    )
    return Part("nginx", [find_nginx(), "-e", "stderr", "-p", str(HERE), "-c", str(settings)], port)
