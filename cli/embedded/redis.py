"""redis-server as a cache: nothing is written to the disk."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from cli.embedded.access import ADMIN, Access, write_private
from cli.embedded.kind import Kind

_TIMEOUT_S = 5.0
_COMMANDS = "-@all +@read +@write +@connection +@transaction -@dangerous"
# Trap: `%R~`, keys that may only be read, came with Redis 7; 6.2 does not start with it.
RIGHTS: Mapping[str, str] = {
    ADMIN: "~* &* +@all",
    "context": f"~perpetua:context:* {_COMMANDS}",
    "decider": f"~perpetua:decider:* ~{{perpetua:gate}}* {_COMMANDS} +eval +evalsha +script|load +info +time",
    "gateway": f"~perpetua:rate:* {_COMMANDS} +info",
}


def _argv(program: Path, home: Path, ports: Sequence[int], access: Access) -> list[str]:
    """All in a file: passwords on a command line are everybody's to read.

    Trap: without `set-proc-title no` Redis overwrites its command line, and a stale one cannot be told.
    """
    options = {
        "bind": "127.0.0.1",
        "port": str(ports[0]),
        "dir": json.dumps(str(home)),
        "save": '""',
        "appendonly": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "noeviction",
        "set-proc-title": "no",
    }
    config = home / "redis.conf"
    lines = [*(f"{key} {value}" for key, value in options.items()), *acl(access.passwords)]
    write_private(config, "".join(f"{line}\n" for line in lines))
    return [str(program), str(config)]


def acl(passwords: Mapping[str, str]) -> list[str]:
    """The lines of the users. A script may name keys that it was not given, so that keys are bounded by pattern."""
    if not passwords:
        return []
    lines = (f"user {user} on >{passwords[user]} {rights}" for user, rights in RIGHTS.items())
    return ["user default off", *lines]


def _version(url: str) -> str:
    try:
        with Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) as client:
            return str(client.info("server")["redis_version"])
    except RedisError as error:
        raise ValueError(str(error)) from error


def _url(port: int, login: str, access: Access) -> str:
    return f"redis://{login}127.0.0.1:{port}/0"


KIND = Kind(
    name="redis",
    program="redis-server",
    variable="REDIS_URL",
    minimum=(6, 2),
    port_count=1,
    argv=_argv,
    settle=lambda port, access: _version(_url(port, access.login(), access)),
    url=_url,
    users=tuple(RIGHTS),
    version_at=_version,
)
