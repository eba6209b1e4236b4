"""Device: a Chromium that keeps keys of its own for sessions (DBSC), started by itself and driven over CDP.

A launcher's own features would take the place of the two that this needs, and it binds nothing where a certificate's
errors are ignored: only for a certificate whose key it was named.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import BrowserContext, Playwright

__all__ = ["start_device"]

FEATURES = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    f"--enable-features={FEATURES}",
    "--remote-debugging-port=0",
]


@asynccontextmanager
async def start_device(
    playwright: Playwright, executable: str, profile: Path, certificate: Path
) -> AsyncIterator[BrowserContext]:
    """A browser with this profile, which trusts the certificate's key; the context that its pages are in."""
    flags = [f"--user-data-dir={profile}", f"--ignore-certificate-errors-spki-list={_spki(certificate)}"]
    told = profile / "DevToolsActivePort"
    told.unlink(missing_ok=True)
    with (profile.parent / f"{profile.name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            executable, *FLAGS, *flags, "about:blank", stdout=log, stderr=subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(45):
                while not (told.exists() and told.read_text()):
                    await asyncio.sleep(0.02)
            browser = await playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{told.read_text().split()[0]}")
            yield browser.contexts[0]
            # So that it writes down what it is to know the next time.
            await (await browser.new_browser_cdp_session()).send("Browser.close")
            await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _spki(certificate: Path) -> str:
    """The hash of a certificate's public key, as Chromium wants it."""
    commands = [
        ["openssl", "x509", "-in", str(certificate), "-pubkey", "-noout"],
        ["openssl", "pkey", "-pubin", "-outform", "der"],
    ]
    found = b""
    for command in commands:
        found = subprocess.run(command, input=found, capture_output=True, check=True).stdout
    return base64.b64encode(hashlib.sha256(found).digest()).decode()
