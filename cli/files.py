"""Files that people write: read, and parsed strictly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cli.errors import CliError
from cli.project import CONFIG
from libs.schemas.base import Message

M = TypeVar("M", bound=Message)


def load(file: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CliError(f"{file} cannot be read: {error}", "correct the file, or restore it from git") from error
    if not isinstance(content, dict):
        raise CliError(f"{file} holds no mapping", "correct the file, or restore it from git")
    return content


def rows(content: Mapping[str, Any], file: Path, key: str = "symbols") -> list[dict[str, Any]]:
    found = content.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise CliError(f"{file} has no list {key!r}", "correct the file, or restore it from git")
    return found


def parse(kind: type[M], content: Mapping[str, Any], file: Path) -> M:
    """Unknown fields are refused here: in a file that people write they are typing mistakes."""
    unknown = set(content) - set(kind.model_fields)
    if unknown:
        raise CliError(f"{file}: unknown field {', '.join(sorted(unknown))}", f"fields: {', '.join(kind.model_fields)}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CliError(f"{file}: {where or 'the whole'}: {first['msg']}", "correct the file") from error


def known_symbols(folder: Path = CONFIG) -> tuple[str, ...]:
    """The symbols of the paper venue, in the order of its file."""
    import yaml

    try:
        venue = yaml.safe_load((folder / "venues" / "paper.yaml").read_text())
        return tuple(entry["symbol"] for entry in venue["symbols"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CliError(f"config/venues/paper.yaml cannot be read: {error}", "restore the file from git") from error
