"""redis-server as a cache: nothing is written to the disk."""

from collections.abc import Sequence
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from cli.embedded.kind import Kind

_TIMEOUT_S = 5.0


def _argv(program: Path, home: Path, ports: Sequence[int]) -> list[str]:
    """Trap: without `--set-proc-title no` Redis overwrites its command line, and a stale one cannot be told."""
    options = {
        "bind": "127.0.0.1",
        "port": str(ports[0]),
        "dir": str(home),
        "save": "",
        "appendonly": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "noeviction",
        "set-proc-title": "no",
    }
    return [str(program), *(word for key, value in options.items() for word in (f"--{key}", value))]


def _version(url: str) -> str:
    try:
        with Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) as client:
            return str(client.info("server")["redis_version"])
    except RedisError as error:
        raise ValueError(str(error)) from error


def _url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


KIND = Kind(
    name="redis",
    program="redis-server",
    variable="REDIS_URL",
    minimum=(6, 2),
    port_count=1,
    argv=_argv,
    settle=lambda port: _version(_url(port)),
    url=_url,
    version_at=_version,
)
