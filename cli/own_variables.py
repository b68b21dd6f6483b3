"""Variables that a state folder keeps for whatever runs in it; the environment's own come first."""

import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.project import StateFolder

_LINE = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$")


@dataclass(frozen=True, slots=True)
class OwnVariables:
    """`mistakes` are lines that are none, by number; what they say is not told, it may be a key."""

    values: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)


def read(file: Path) -> OwnVariables:
    """Lines of NAME=value; empty ones and those that begin with # are left out. Nothing where there is no file."""
    found = OwnVariables()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return found
    except (OSError, UnicodeDecodeError) as error:
        found.mistakes.append(f"cannot be read: {type(error).__name__}")
        return found
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if (parts := _LINE.match(line.strip())) is None:
            found.mistakes.append(f"line {number} is not NAME=value")
        else:
            found.values[parts[1]] = parts[2].strip()
    return found


def take_over(state: StateFolder, env: MutableMapping[str, str]) -> None:
    """Add to `env` what the folder keeps and `env` does not say, be it by a file; and where its models are."""
    if values := read(state.variables).values:
        from libs.runtime.settings import FILE_ENDING  # a quarter of a second, which other commands are spared
    for name, value in values.items():
        if f"{name}{FILE_ENDING}" not in env:
            env.setdefault(name, value)
    if (state.own_config / "models.yaml").exists():
        env.setdefault("PERPETUA_CONFIG_DIR", str(state.own_config))
