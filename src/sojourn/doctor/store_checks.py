"""The checks of a store: what its server says of itself, who may read its file, whether its wire is in the clear."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sojourn.core.loopback import is_loopback
from sojourn.stores.server_facts import ServerFacts, server_facts, store_weaknesses
from sojourn.stores.store_url import POSTGRES, StoreURL, open_store

from .finding import Finding
from .record_checks import SAMPLE, examine_records

__all__ = ["examine_store", "judged"]

TLS = ("rediss", "valkeys")
ENCRYPTED = ("require", "verify-ca", "verify-full")
OTHERS = 0o077
WRITERS = 0o022
# Seconds: docs/policy.md, "Clocks". More than the other is the default grace for what is under way.
CLOSE = 2.0
GRACE = 60.0
PAGES = {"PostgreSQL": "docs/stores/postgres.md", "Redis": "docs/stores/redis.md"}
FORGETS = {
    "appendonly no": "what came since its last snapshot, or everything where it makes none. Set appendonly yes",
    "appendfsync no": "what the system had not written to the disk yet. Set appendfsync everysec, or always",
    "fsync off": "anything, and the tables with it. Set fsync on",
    "synchronous_commit off": "what it acknowledged last. Set synchronous_commit on",
}


def examine_store(url: str) -> list[Finding]:
    """All findings. Raises ConfigurationError or StoreUnavailable as open_store does."""
    at = StoreURL.parse(url)
    if at.path is not None:
        return [*_of_mode(Path(at.path)), *_of_owner(Path(at.path)), *_of_records(at.bare)]
    if at.scheme not in POSTGRES and "dangerously_allow_eviction" not in url:
        # Not to use such a server: to tell of it beside the rest.
        url += f"{'&' if '?' in url else '?'}dangerously_allow_eviction=true"
    told = "what the server says of itself"
    found = [Finding("server", "medium", told, text, "", "") for text in store_weaknesses(url)]
    found = found or [Finding("server", "good", told, "nothing that sessions do not bear", "", "")]
    facts = [each for one in server_facts(url) for each in judged(one)]
    return [*_of_wire(at), *found, *facts, *_of_records(StoreURL.parse(url).bare)]


def _of_records(url: str) -> list[Finding]:
    with closing(open_store(url)) as store:
        return examine_records(store.scan("", SAMPLE), time.time_ns() // 1_000_000)


def _of_mode(path: Path) -> Iterator[Finding]:
    mode, folder = path.stat().st_mode, path.absolute().parent
    came = f"mode {mode & 0o777:03o}"
    if mode & OTHERS:
        came += ": others on this machine may read the sessions, or change them"
        yield Finding("file mode", "medium", f"stat {path}", came, "", f"chmod 600 {path}")
    else:
        yield Finding("file mode", "good", f"stat {path}", came, "", "")
    mode = folder.stat().st_mode
    came = f"mode {mode & 0o1777:03o}"
    if mode & WRITERS and not mode & 0o1000:
        came += ": others may put another file in its place"
        yield Finding("folder mode", "medium", f"stat {folder}", came, "", f"chmod go-w {folder}")
    else:
        yield Finding("folder mode", "good", f"stat {folder}", came, "", "")


def _of_owner(path: Path) -> Iterator[Finding]:
    if hasattr(os, "geteuid") and path.stat().st_uid != os.geteuid():
        came = "the file is another user's than who asks"
        yield Finding("file owner", "cannot tell", f"stat {path}", came, "", "See that it is the application's user.")


def _of_wire(at: StoreURL) -> Iterator[Finding]:
    parts = urlsplit(at.bare)
    host, sent = parts.hostname or "", "the store's URL"
    # None is PostgreSQL's for a socket of this machine.
    redis, is_near = at.scheme not in POSTGRES, not host or is_loopback(host)
    shown = parts.password is not None or {"password", "ssl_certfile"} & parse_qs(parts.query).keys()
    if redis and at.scheme != "unix" and not shown:
        mend = "Let Redis ask for one (an ACL, or requirepass), and put it into the URL."
        came = "no password, so that whoever reaches the server may read the sessions, and change them"
        yield Finding("password", "low" if is_near else "high", sent, came, "13.2.1", mend)
    if is_near or "," in parts.netloc or at.scheme.partition("+")[0] in TLS:
        return
    if redis:
        mend = "Let Redis listen with TLS, and write rediss:// in the URL."
        yield Finding("wire", "cannot tell", sent, f"plain TCP to {host}", "12.3.1", mend)
    elif parse_qs(parts.query).get("sslmode", [""])[0] not in ENCRYPTED:
        came = f"sslmode of the URL lets the connection to {host} be in the clear"
        yield Finding("wire", "cannot tell", sent, came, "12.3.1", "Add sslmode=verify-full to the URL.")


def judged(facts: ServerFacts) -> Iterator[Finding]:
    """What these facts of a server mean."""
    page = PAGES[facts.name.partition(" ")[0]]
    yield _of_rights(facts, page)
    yield _of_disk(facts, page)
    yield _of_clock(facts)


def _of_rights(facts: ServerFacts, page: str) -> Finding:
    sent = f"what {facts.name} lets the URL's user do"
    mend = f"Give the application a user of its own, with the rights that {page} names and no others."
    if facts.beyond is None:
        return Finding("rights", "cannot tell", sent, "no answer", "13.2.2", mend)
    if facts.beyond:
        return Finding("rights", "low", sent, f"more than sessions need: {', '.join(facts.beyond)}", "13.2.2", mend)
    return Finding("rights", "good", sent, "nothing that sessions do not need", "13.2.2", "")


def _of_disk(facts: ServerFacts, page: str) -> Finding:
    sent = f"what {facts.name} keeps on its disk"
    if facts.forgets is None:
        return Finding("persistence", "cannot tell", sent, "no answer", "", f"See {page}, for what is promised.")
    if facts.forgets:
        what, _, mend = FORGETS[facts.forgets[0]].partition(". ")
        came = f"{facts.forgets[0]}: a crash of the server undoes {what}; a log-out that is undone is a session again"
        return Finding("persistence", "medium", sent, came, "", f"{mend} ({page}).")
    return Finding("persistence", "good", sent, "what it acknowledges, as far as it lets us see", "", "")


def _of_clock(facts: ServerFacts) -> Finding:
    sent = f"the time by {facts.name}, beside this machine's"
    if facts.ahead is None:
        return Finding("clock", "cannot tell", sent, "no answer", "", "See that both take their time from NTP.")
    apart = abs(facts.ahead) - facts.unsure
    if apart <= CLOSE:
        return Finding("clock", "good", sent, f"less than {CLOSE:g} s apart", "", "")
    came = f"{apart:.0f} s {'ahead' if facts.ahead > 0 else 'behind'}: one of the two is wrong"
    mend = "Let all take their time from NTP: timeouts are as right as the clocks of the application's servers."
    return Finding("clock", "medium" if apart > GRACE else "low", sent, came, "", mend)
