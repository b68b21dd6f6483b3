"""What the three servers have in common: one `Kind` each, defined in nats.py, mongo.py and redis.py."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cli.embedded.access import Access
from cli.embedded.errors import ServerError

_VERSION = re.compile(r"\bv?=?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Kind:
    """One sort of server: how it is called, started, asked and reached."""

    name: str
    """Key in `Servers.start()`: nats, mongodb, redis."""
    program: str
    variable: str
    """Environment variable with the address of a server that somebody else runs."""
    minimum: tuple[int, int]
    port_count: int
    argv: Callable[[Path, Path, Sequence[int], Access], list[str]]
    """(program, home folder, ports, users) -> command line; may write a configuration file into home. It must name
    home, since a stale server of a former run is told by that."""
    settle: Callable[[int, Access], str]
    """port of a server that listens -> its version, once it is fit for use (for mongod: primary, users made)."""
    url: Callable[[int, str, Access], str]
    """(port, what stands before the host, users) -> address."""
    version_at: Callable[[str], str]
    """URL of somebody else's server -> its version. OSError or ValueError when it does not answer as it should."""
    users: tuple[str, ...]
    """Who has a password of their own."""
    last_words: Callable[[str], str] = lambda output: output.strip().rpartition("\n")[2]
    """What it wrote -> the line that says why it ended."""


def parse_version(text: str) -> str | None:
    """The first `major.minor.patch` in what a program prints for --version, or None."""
    found = _VERSION.search(text)
    return ".".join(found.groups()) if found else None


def is_old(version: str, minimum: tuple[int, int]) -> bool:
    """True when `version` ("2.10.7", "8.0.0-rc1") is below `minimum`, or cannot be read."""
    parsed = parse_version(version)
    if parsed is None:
        return True
    major, minor, _ = parsed.split(".")
    return (int(major), int(minor)) < minimum


def shown(minimum: tuple[int, int]) -> str:
    """A minimum version as people write it: (6, 0) -> "6.0"."""
    return f"{minimum[0]}.{minimum[1]}"


def without_credentials(url: str) -> str:
    """An address that may be shown: user, password and query are left out, in each part of a comma-separated list."""
    scheme, _, rest = url.partition("://")
    hosts = [part.rpartition("://")[2].rpartition("@")[2].partition("?")[0] for part in rest.split(",")]
    return f"{scheme}://{','.join(hosts)}" if rest else "(not an address)"


def first_host(url: str, default_port: int) -> tuple[str, int]:
    """Host and port of the first server in a comma-separated list of URLs. ValueError when there is none."""
    parts = urlsplit(url.split(",")[0].strip())
    if not parts.hostname:
        raise ValueError("the address has no host")
    return parts.hostname, parts.port or default_port


def version_behind(kind: Kind, url: str) -> str:
    """The version of the server at `url`. ServerError when it does not answer, or is older than we can use."""
    where = f"{kind.variable} ({without_credentials(url)})"
    try:
        version = kind.version_at(url)
    except (OSError, ValueError) as error:
        raise ServerError(
            f"{where} does not answer: {str(error).replace(url, without_credentials(url))[:200]}",
            f"start that server, correct {kind.variable}, or unset it to use a bundled one",
        ) from error
    if is_old(version, kind.minimum):
        raise ServerError(
            f"{where} is version {version}, older than {shown(kind.minimum)}",
            f"upgrade it, or unset {kind.variable} to use a bundled one",
        )
    return version
