"""A store behind a router that forgets idle connections: run in a network of its own, with a real firewall in it.

`unshare --net python -m tests.stores.behind_nat KIND URL SOCKET`: the server at SOCKET is reached at a
port of this network, which stands for PORT in URL. Prints what happened, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sojourn.core.errors import StoreUnavailable
from sojourn.core.store import Store
from sojourn.stores.store_url import open_async_store, open_store
from sojourn.testing import blocking
from sojourn.testing.records import commit, put
from tests.servers.proxy import Proxy

# As routers have it, but for the time: an established connection of which nothing was heard for a second is forgotten,
# and what then comes over it belongs to nothing, and is dropped.
FORGETFUL = """
table inet router {
    chain input {
        type filter hook input priority 0
        ct state invalid counter drop
    }
}
"""
FORGOTTEN_AFTER = 1
TIMEOUT = 5.0


def _make_network() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["nft", "-f", "-"], input=FORGETFUL, text=True, check=True)
    for name, value in (("tcp_timeout_established", FORGOTTEN_AFTER), ("tcp_loose", 0)):
        Path(f"/proc/sys/net/netfilter/nf_conntrack_{name}").write_text(str(value))


def _dropped() -> int:
    """Packets that belonged to nothing."""
    rules: Any = json.loads(subprocess.check_output(["nft", "--json", "list", "ruleset"]))["nftables"]
    counters = [part["counter"] for rule in rules for part in rule.get("rule", {}).get("expr", ()) if "counter" in part]
    return sum(counter["packets"] for counter in counters)


def _use(store: Store) -> dict[str, object]:
    record = put(store)
    errors, times = [], []
    uses: list[Callable[[], object]] = [
        lambda: store.commit(commit(record, increments={"n": 1})),
        lambda: store.get(record.id),
    ]
    time.sleep(FORGOTTEN_AFTER * 2.5)
    for use in uses:
        began = time.monotonic()
        try:
            use()
        except StoreUnavailable as error:
            errors.append(str(error))
        times.append(time.monotonic() - began)
    return {"errors": errors, "longest": max(times), "dropped": _dropped()}


def main() -> None:
    """Be the store that the command line names."""
    kind, url, socket = sys.argv[1:]
    _make_network()
    with Proxy(socket) as router:
        url = url.replace("PORT", str(router.port))
        asynchronous = kind.startswith("async")
        store = blocking(open_async_store(url, timeout=TIMEOUT)) if asynchronous else open_store(url, timeout=TIMEOUT)
        sys.stdout.write(json.dumps(_use(store)))
        store.close()


if __name__ == "__main__":
    main()
