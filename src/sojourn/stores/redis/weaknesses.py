"""What is weak in the settings of Redis's servers, for sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sojourn.core.errors import StoreUnavailable

from .calls import Address, Steps, command
from .errors import is_refusal
from .eviction import name_of, policy_of
from .store import RedisStore

__all__ = ["ask", "settings_of", "weaknesses"]

_BOUND = "client-output-buffer-limit 'normal 64mb 32mb 30'"


def weaknesses(url: str, timeout: float, cached: bool) -> Sequence[str]:
    """Each in a sentence, with its mend, of every primary. `cached`: caches listen to the writes."""
    store = RedisStore(url, timeout=timeout)
    try:
        return store._run(_weaknesses(store._primaries(), cached), long=True)
    finally:
        store.close()


def _weaknesses(primaries: Sequence[Address], cached: bool) -> Steps[Sequence[str]]:
    found: list[str] = []
    for address in primaries:
        at = f"Redis at {name_of(address)}"
        found += _of_policy(at, policy_of((yield from ask(address, "INFO", "memory"))))
        if cached:
            found += _of_buffers(at, (yield from ask(address, "CONFIG", "GET", "*client*")))
    return found


def ask(address: Address, *words: str) -> Steps[object]:
    """The answer; None where the server refuses it."""
    try:
        return (yield [command("", *words, node=address)])[0]
    except StoreUnavailable as error:
        if is_refusal(error.__cause__):
            return None
        raise


def _of_policy(at: str, policy: str | None) -> Iterator[str]:
    if policy is None:
        yield f"{at} does not let us see its maxmemory-policy (+info): see to it that it is noeviction."
    elif policy != "noeviction":
        yield (
            f"{at} throws live sessions away when its memory is full: its maxmemory-policy is {policy}. Set "
            "maxmemory-policy noeviction, and take dangerously_allow_eviction out of the URL."
        )


def _of_buffers(at: str, answer: object) -> Iterator[str]:
    """A connection that is tracking is one of the class "normal", which has no limit unless one is set."""
    if not isinstance(answer, list):
        yield f"{at} does not let us see its client-output-buffer-limit (+config|get): set {_BOUND} there."
        return
    told = settings_of(answer)
    limits = told.get("client-output-buffer-limit", "").split()
    normal = limits[limits.index("normal") + 1 :][:2] if "normal" in limits else []
    if normal == ["0", "0"] and told.get("maxmemory-clients", "0") == "0":
        yield (
            f"{at} keeps without bound what a process with a cache does not read, one that is stopped say, until it "
            f"refuses everybody's writes: set {_BOUND}, or maxmemory-clients."
        )


def settings_of(answer: object) -> dict[str, str]:
    """What an answer to CONFIG GET says, by name; nothing where it was refused."""
    words = [each.decode() for each in answer] if isinstance(answer, list) else []
    return dict(zip(words[::2], words[1::2], strict=True))
