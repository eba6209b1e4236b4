"""A PHP site on the session service: PHP, alone or behind a web server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapters.tests.visitor import Visitor
from tests.servers.port import find_port
from tests.servers.process import Process, Running
from tests.servers.waiting import wait_until

__all__ = ["PHP", "WORKERS", "Kind", "Php", "Turnstile", "find_fpm"]

Kind = Literal["built-in", "fpm", "apache"]

PHP = Path(__file__).parents[2] / "adapters" / "php"
WORKERS = 12
# As careless as a server can be set up: all that PHP can be made to tell goes to the log, arguments in full length.
INI = {
    "display_errors": "0",
    "log_errors": "1",
    "error_reporting": "-1",
    "html_errors": "0",
    "zend.exception_ignore_args": "0",
    "zend.exception_string_param_max_len": "1000000",
}


@dataclass(frozen=True)
class Turnstile:
    """Where a request of tests/app.php waits, at its `step`, until the test lets it go on."""

    path: Path

    @property
    def step(self) -> list[str]:
        return ["wait", str(self.path)]

    def wait_for_arrival(self) -> None:
        wait_until(self.path.with_suffix(".arrived").exists, "a request at the turnstile")

    def release(self) -> None:
        self.path.with_suffix(".released").touch()


def find_fpm() -> str | None:
    """The php-fpm there is; Debian names it after its version."""
    folders = map(Path, ("/usr/sbin", "/usr/local/sbin", "/usr/bin"))
    found = [str(file) for folder in folders for file in folder.glob("php-fpm*")]
    return max(found, default=None)


class Php(Running):
    """The adapter's tests/app.php, or another application, under PHP's own server, PHP-FPM and nginx, or Apache."""

    def __init__(
        self,
        folder: Path,
        kind: Kind,
        environment: Mapping[str, str],
        workers: int = WORKERS,
        app: Path = PHP / "tests" / "app.php",
        caches: bool = False,
        settings: Mapping[str, str] | None = None,
        statuses: Collection[int] = (200,),
    ) -> None:
        """`caches`: nginx keeps what the answers' headers let it keep. `settings` are PHP's.

        It is up when it answers with one of `statuses`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.port = find_port()
        self.workers = workers
        self.app = app
        self._caches = caches
        self._statuses = statuses
        self._folder = folder
        self.log = folder / "php.log"
        ini = {**INI, "error_log": str(self.log), **(settings or {})}
        self._processes: list[Process] = []
        self._copy: Path | None = None
        try:
            if kind == "built-in":
                self._start_built_in(folder, ini, {**environment, "PHP_CLI_SERVER_WORKERS": str(self.workers)})
            elif kind == "apache":
                self._start_apache(folder, environment)
            else:
                self._start_fpm(folder, ini, environment)
            wait_until(self._answers, "PHP")
        except BaseException:
            self.stop()
            raise

    def _start_built_in(self, folder: Path, ini: Mapping[str, str], environment: Mapping[str, str]) -> None:
        options = [word for name, value in ini.items() for word in ("-d", f"{name}={value}")]
        words = ["php", *options, "-S", f"127.0.0.1:{self.port}", str(self.app)]
        set_environment = ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items())]
        self._processes.append(Process([*set_environment, *words], folder, folder / "output.log"))

    def _start_fpm(self, folder: Path, ini: Mapping[str, str], environment: Mapping[str, str]) -> None:
        pool = "\n".join(
            ["[global]", f"error_log = {folder}/fpm.log", "daemonize = no", "[www]", f"listen = {folder}/php.sock"]
            + ["user = root", "pm = static", f"pm.max_children = {self.workers}", "catch_workers_output = yes"]
            + [f"php_admin_value[{name}] = {value}" for name, value in ini.items()]
            + [f"env[{name}] = {value}" for name, value in environment.items()]
        )
        (folder / "fpm.conf").write_text(pool)
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        cache = f"fastcgi_cache_path {folder}/cache keys_zone=pages:1m;" if self._caches else ""
        use_cache = "fastcgi_cache pages; fastcgi_cache_key $request_uri;" if self._caches else ""
        (folder / "nginx.conf").write_text(
            f"""
            daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
            events {{ }}
            http {{
                access_log off; client_max_body_size 16m; {temporary} {cache}
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{
                        include /etc/nginx/fastcgi_params;
                        fastcgi_param HTTP_HOST $host:$server_port;
                        fastcgi_param SCRIPT_FILENAME {self.app};
                        {use_cache}
                        fastcgi_pass unix:{folder}/php.sock;
                    }}
                }}
            }}
            """
        )
        fpm = find_fpm()
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert fpm is not None
        assert nginx is not None
        words = [fpm, "--nodaemonize", "--allow-to-run-as-root", "--fpm-config", str(folder / "fpm.conf")]
        self._processes.append(Process(words, folder, folder / "output.log"))
        words = [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log"), "-p", str(folder)]
        self._processes.append(Process(words, folder, folder / "output.log"))

    def _start_apache(self, folder: Path, environment: Mapping[str, str]) -> None:
        # Apache serves as nobody, who can read neither a checkout of root's nor pytest's folder.
        self._copy = copy = Path(tempfile.mkdtemp(prefix="sojourn-apache-"))
        copy.chmod(0o755)
        shutil.copytree(PHP, copy / "php")
        app = self.app if not self.app.is_relative_to(PHP) else copy / "php" / self.app.relative_to(PHP)
        modules = Path("/usr/lib/apache2/modules")
        (php,) = modules.glob("libphp*.so")
        self.log = copy / "php.log"  # in Apache's own a backslash is two
        self.log.touch(0o666)
        self.log.chmod(0o666)
        conf = [
            *(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in ("mpm_prefork", "authz_core", "alias")),
            f"LoadModule php_module {php}",
            f"ServerRoot {folder}\nServerName localhost\nListen 127.0.0.1:{self.port}\nUser nobody\nGroup nogroup",
            f"PidFile {folder}/apache.pid\nErrorLog {folder}/apache.log",
            f"StartServers {self.workers}\nMaxRequestWorkers {self.workers}\nMaxSpareServers {self.workers}",
            f'AliasMatch "^/" "{app}"',
            f"<Directory {copy}>\nRequire all granted\nSetHandler application/x-httpd-php\n</Directory>",
            *(f"php_admin_value {name} {value}" for name, value in {**INI, "error_log": self.log}.items()),
        ]
        (folder / "apache.conf").write_text("\n".join(conf) + "\n")
        given = [f"{name}={value}" for name, value in environment.items()]
        words = ["/usr/bin/env", *given, "/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(folder / "apache.conf")]
        self._processes.append(Process(words, folder, folder / "output.log"))

    def _answers(self) -> bool:
        for process in self._processes:
            process.require_running()
        return Visitor(self.port).ask(method="GET").status in self._statuses

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()
        if self._copy is not None:
            shutil.rmtree(self._copy)
            self._copy = None

    def told(self) -> str:
        """All that PHP and its servers have logged so far."""
        files = {self.log, *self._folder.glob("*.log")}
        return "\n".join(file.read_text("utf-8", "replace") for file in files if file.exists())
