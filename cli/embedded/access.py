"""The users of the embedded servers: random passwords of each state folder, readable by its owner only."""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.embedded.errors import ServerError

ADMIN = "admin"
Passwords = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Access:
    """What one server is to ask of its clients. Without `passwords` anybody who reaches it may do anything.

    `key` is what the members of a replica set prove themselves by, `database` where the rights in MongoDB hold.
    """

    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    key: str = field(default="", repr=False)
    database: str = "perpetua"

    def login(self, user: str = ADMIN) -> str:
        """What stands before the host in a URL."""
        return f"{user}:{self.passwords[user]}@" if self.passwords else ""


def remembered_passwords(file: Path, wanted: Mapping[str, Iterable[str]]) -> Passwords:
    """The password of each user of each server: those of the file, and new ones for who is not in it."""
    before = passwords_in(file)
    passwords = {
        server: {user: before.get(server, {}).get(user) or _new() for user in users} for server, users in wanted.items()
    }
    if passwords != before:
        write_private(file, json.dumps(passwords, indent=1))
    return passwords


def write_private(file: Path, text: str, mode: int = 0o600) -> None:
    """Replaces the file at once, for its owner only from the first moment on."""
    scratch = file.with_name(f"{file.name}.tmp")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as output:
        output.write(text)
    scratch.replace(file)


def _new() -> str:
    """A letter first: nats-server takes a variable that looks like a number for one."""
    return f"p{secrets.token_hex(20)}"


def passwords_in(file: Path) -> Passwords:
    """By server and user; none where there is no file. ServerError where it is spoiled.

    To delete it loses nothing where each server is told its passwords at its start.
    """
    try:
        content = json.loads(file.read_text())
        return {server: {user: str(one) for user, one in users.items()} for server, users in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise ServerError(f"{file} cannot be read: {error}", "delete it: all users then get new passwords") from error
