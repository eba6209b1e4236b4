"""A service behind TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sojourn.core.errors import StoreUnavailable

from .service import KINDS, Service, begin, manager_of

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for localhost, by itself, with its private key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    more = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*make, *more, "-keyout", str(path), "-out", str(path) + ".crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(str(path) + ".crt").read_text())
    return path


@pytest.fixture(scope="module")
def port(service: Service, certificate: Path) -> Iterator[int]:
    """A proxy that takes TLS off."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    ready: list[int] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, out = await asyncio.open_connection("localhost", service.server.port)
        await asyncio.gather(copy(reader, out), copy(inside, writer))

    async def run() -> None:
        server = await asyncio.start_server(take, "localhost", 0, ssl=context)
        ready.append(server.sockets[0].getsockname()[1])
        started.set()
        await stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    started.wait(10)
    yield ready[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@kinds
def test_a_service_whose_certificate_is_known_is_used(
    kind: str, service: Service, certificate: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    text = "\u00e4" * 12_000  # more than a TLS record
    with manager_of(kind, f"https://localhost:{port}", service.key) as manager:
        token = begin(manager, text=text)
        for _ in range(3):
            session = manager.open(token)
            session.increment("n")
            manager.commit(session)

        assert dict(manager.open(token)) == {"text": text, "n": 3}


@kinds
def test_a_certificate_that_is_not_known_or_of_another_host_is_refused(
    kind: str, service: Service, certificate: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = f"sj1-{'0' * 32}-{'0' * 64}"
    with (
        manager_of(kind, f"https://localhost:{port}", service.key) as manager,
        pytest.raises(StoreUnavailable, match=r"certificate|CERTIFICATE"),
    ):
        manager.open(token)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        manager_of(kind, f"https://127.0.0.1:{port}", service.key) as manager,
        pytest.raises(StoreUnavailable, match=r"certificate|CERTIFICATE"),
    ):
        manager.open(token)
