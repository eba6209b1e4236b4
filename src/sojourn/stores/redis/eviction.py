"""Memory: whether a server throws sessions away when its memory is full, asked once of each. No I/O."""

from __future__ import annotations

import logging

from sojourn.core.errors import ConfigurationError

from .calls import Address, pack
from .errors import code_of, is_refusal, may_pass

__all__ = ["ASK_MEMORY", "Memory", "info_of", "name_of", "policy_of"]

logger = logging.getLogger("sojourn")

# Not CONFIG GET, which managed servers refuse and which would show passwords too.
ASK_MEMORY = pack("INFO", "memory")
_NOBODY = ("NOAUTH", "WRONGPASS")


class Memory:
    """One server's. `known`: it need not be asked again."""

    def __init__(self, address: Address) -> None:
        self.known = False
        self._address = address

    def take(self, answer: object) -> None:
        """Judge the answer to ASK_MEMORY. Raises ConfigurationError, with the mend, where live sessions may go."""
        if isinstance(answer, Exception):
            if not is_refusal(answer) or may_pass(answer) or code_of(answer) in _NOBODY:
                return  # it is busy, or wants a password: what is asked next tells, and the next connection asks again
            policy = None
        else:
            policy = policy_of(answer)
        if policy not in (None, "noeviction"):
            raise ConfigurationError(
                f"Redis at {name_of(self._address)} throws live sessions away when its memory is full: its "
                f"maxmemory-policy is {policy}. Set maxmemory-policy noeviction there, and give sessions a Redis of "
                "their own; or, if users may be signed out at any time, put ?dangerously_allow_eviction=true into the "
                "store's URL."
            )
        self.known = True
        if policy is None:
            logger.warning(
                "Redis at %s does not let us see its maxmemory-policy: allow +info, or see to it that it is "
                "noeviction. Any other throws live sessions away when memory is full",
                name_of(self._address),
            )


def policy_of(answer: object) -> str | None:
    """What a full server does, "noeviction" where no `maxmemory` is set; None where it does not say."""
    facts = info_of(answer)
    return "noeviction" if facts.get("maxmemory") == "0" else facts.get("maxmemory_policy")


def info_of(answer: object) -> dict[str, str]:
    """What an answer to INFO says, by name; nothing where it was refused."""
    lines = answer.decode().splitlines() if isinstance(answer, bytes) else []
    return {name: value for name, _, value in [line.partition(":") for line in lines]}


def name_of(address: Address) -> str:
    """A server's name for people."""
    host, port = address
    return f"{host}:{port}" if port else host
