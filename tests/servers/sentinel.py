"""A Redis or Valkey primary and its replica for tests, with three sentinels that watch over them."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.servers.process import Running
from tests.servers.redis import RedisServer, start_redis
from tests.servers.waiting import wait_until

__all__ = ["SentinelSetup", "start_sentinel"]

_SERVICE = "sojourn"
_CONFIGURATION = f"""
sentinel monitor {_SERVICE} 127.0.0.1 {{port}} 2
sentinel down-after-milliseconds {_SERVICE} 1000
sentinel failover-timeout {_SERVICE} 5000
"""
# Sentinels tell of themselves every 2 s, and ask for replicas every 10 s: a test is not that patient.
_IMPATIENCE = ["INFO-PERIOD", "200", "PUBLISH-PERIOD", "200"]


class SentinelSetup(Running):
    """The service is called "sojourn". A killed primary is replaced after some two seconds."""

    def __init__(self, servers: list[RedisServer], sentinels: list[RedisServer]) -> None:
        self.servers = servers
        self.sentinels = sentinels
        self.url = f"redis+sentinel://{','.join(each.address for each in sentinels)}/{_SERVICE}/0"

    @property
    def primary(self) -> RedisServer:
        """The server that the sentinels name now."""
        sentinel = next(each for each in self.sentinels if each.process.answering)
        _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", _SERVICE)
        return next(server for server in self.servers if server.port == int(port))

    @property
    def replica(self) -> RedisServer:
        """The other one."""
        primary = self.primary
        return next(server for server in self.servers if server is not primary)

    def clear(self) -> None:
        """Forget everything."""
        self.primary.clear()

    def stop(self) -> None:
        for each in [*self.sentinels, *self.servers]:
            each.stop()

    def wait_until_whole(self) -> None:
        """The replica is in step, and every sentinel knows the replica and the other sentinels."""
        wait_until(lambda: self.replica.info("replication").get("master_link_status") == "up", "a replica in step")
        for each in self.sentinels:
            wait_until(partial(_knows_all, each), f"{each}, a sentinel that knows all")


def start_sentinel(folder: Path, binary: str, *, durable: bool = False) -> SentinelSetup:
    """A primary, a replica and three sentinels, in which any one can be killed."""
    with ExitStack() as started:
        undelayed = ["--repl-diskless-sync-delay", "0"]
        primary = started.enter_context(start_redis(folder / "server0", binary, *undelayed, durable=durable))
        following = [*undelayed, "--replicaof", f"127.0.0.1 {primary.port}"]
        replica = started.enter_context(start_redis(folder / "server1", binary, *following, durable=durable))
        sentinels = [
            started.enter_context(_start_one(folder / f"sentinel{number}", binary, primary)) for number in range(3)
        ]
        setup = SentinelSetup([primary, replica], sentinels)
        setup.wait_until_whole()
        started.pop_all()
        return setup


def _start_one(folder: Path, binary: str, primary: RedisServer) -> RedisServer:
    folder.mkdir(parents=True)
    configuration = folder / "sentinel.conf"
    configuration.write_text(_CONFIGURATION.format(port=primary.port))
    sentinel = RedisServer(folder, binary, [str(configuration), "--sentinel"])
    sentinel.ask("SENTINEL", "DEBUG", *_IMPATIENCE)
    return sentinel


def _knows_all(sentinel: RedisServer) -> bool:
    said = sentinel.ask("SENTINEL", "MASTER", _SERVICE)
    known: dict[str, str] = dict(zip(said[::2], said[1::2], strict=True))
    return known["flags"] == "master" and known["num-slaves"] == "1" and known["num-other-sentinels"] == "2"
