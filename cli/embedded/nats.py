"""nats-server with JetStream."""

import json
import socket
from collections.abc import Sequence
from pathlib import Path

from cli.embedded.access import Access, write_private
from cli.embedded.bus_users import OWNER, accounts, password_variable
from cli.embedded.kind import Kind, first_host
from libs.schemas.rights import USERS

MAX_PAYLOAD = 8 * 1024 * 1024
_TIMEOUT_S = 5.0
MAX_FILE_STORE = "64GB"


def _config(home: Path, port: int, monitor_port: int, access: Access) -> str:
    """The configuration file. `sync_interval: always`: a message is on the disk before it is acknowledged.

    `max_file_store` is more than the limits of all streams together. By default it is three quarters of the free disk,
    and on a machine with little of that no stream could be made, however little they will hold.
    """
    passwords = "".join(f"{password_variable(user)}: {password}\n" for user, password in access.passwords.items())
    return f"""\
server_name: perpetua
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
max_payload: {MAX_PAYLOAD}
jetstream {{
  store_dir: {json.dumps(str(home / "jetstream"))}
  sync_interval: always
  max_file_store: {MAX_FILE_STORE}
}}
{passwords}{accounts() if access.passwords else ""}"""


def _argv(program: Path, home: Path, ports: Sequence[int], access: Access) -> list[str]:
    port, monitor_port = ports
    config = home / "nats.conf"
    write_private(config, _config(home, port, monitor_port, access))
    if access.passwords:
        _hand_over(home / "jetstream" / "jetstream")
    return [str(program), "--config", str(config)]


def _hand_over(store: Path) -> None:
    """Streams of a folder from before there were users lie in the account that everybody was in."""
    everybodys, owners = store / "$G", store / OWNER
    if everybodys.is_dir() and not owners.exists():
        everybodys.rename(owners)


def _version(host: str, port: int) -> str:
    """The version in the INFO line that a NATS server greets with, before TLS and login."""
    with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
        line = connection.makefile("rb").readline(64 * 1024)
    word, _, info = line.partition(b" ")
    if word != b"INFO":
        raise ValueError("this is not a NATS server")
    return str(json.loads(info)["version"])


KIND = Kind(
    name="nats",
    program="nats-server",
    variable="NATS_URL",
    minimum=(2, 12),
    port_count=2,
    argv=_argv,
    settle=lambda port, access: _version("127.0.0.1", port),
    url=lambda port, login, access: f"nats://{login}127.0.0.1:{port}",
    users=tuple(user.name for user in USERS),
    version_at=lambda url: _version(*first_host(url, 4222)),
)
