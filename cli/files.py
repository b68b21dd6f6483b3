"""Files that people write: read, and parsed strictly."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cli.errors import CliError
from cli.project import CHECKOUT, CONFIG, shown
from libs.schemas.base import Message
from libs.schemas.kinds import ConfigFiles, ConfigKind
from libs.schemas.strict import strictly, unknown_fields, unknown_in

M = TypeVar("M", bound=Message)
TOLD = 8  # mistakes of a file that are told at once
AsRow = Callable[[dict[str, Any]], dict[str, Any]]


def todo(file: Path) -> str:
    """What to do about a file that is wrong: only the project's own can be had again."""
    if not file.resolve().is_relative_to(CONFIG):
        return "correct the file"
    return "correct the file, or restore it from git" if CHECKOUT else "install the wheel anew"


def load(file: Path) -> dict[str, Any]:
    import yaml

    from libs.configuration.yaml_text import yaml_value

    try:
        content = yaml_value(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CliError(f"{file} cannot be read: {error}", todo(file)) from error
    if not isinstance(content, dict):
        raise CliError(f"{file} holds no mapping", todo(file))
    return content


def rows(content: Mapping[str, Any], file: Path, key: str = "symbols") -> list[dict[str, Any]]:
    found = content.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise CliError(f"{file} has no list {key!r}", todo(file))
    return found


def parse(kind: type[M], content: Mapping[str, Any], file: Path, place: str = "") -> M:
    """Unknown fields are refused here: in a file that people write they are typing mistakes. `place` is of the value
    in the file, with what parts it from the field. All mistakes are told at once."""
    made = _parsed(kind, content, place)
    if isinstance(made, list):
        raise _wrong(file, made)
    return made


def _parsed(kind: type[M], content: Mapping[str, Any], place: str) -> M | list[str]:
    """The value, or a line for each mistake."""
    try:
        return strictly(kind, content)
    except ValidationError as error:
        found = ((".".join(str(part) for part in each["loc"]), each["msg"]) for each in error.errors())
        return [f"{place}{where or 'the whole'}: {said}" for where, said in found]


def _wrong(file: Path, mistakes: list[str]) -> CliError:
    more = f"; and {len(mistakes) - TOLD} more" if len(mistakes) > TOLD else ""
    return CliError(f"{file}: {'; '.join(mistakes[:TOLD])}{more}", "correct the file")


def read(kind: ConfigKind[M], folder: Path, as_row: AsRow = dict) -> list[M]:
    """All values of a kind that stand under `folder`, config/ by default; `as_row` may change what is written there."""
    if kind.files is None:
        return []
    files = sorted(folder.glob(kind.files.pattern)) if "*" in kind.files.pattern else [folder / kind.files.pattern]
    if not files:
        parent = folder / Path(kind.files.pattern).parent
        raise CliError(f"no {parent.name} in {parent}", todo(parent))
    return [value for file in files for value in _values(kind, kind.files, file, as_row)]


def _values(kind: ConfigKind[M], files: ConfigFiles, file: Path, as_row: AsRow) -> Iterator[M]:
    content = load(file)
    if files.rows is None:
        yield parse(kind.model, as_row(content), file)
        return
    listed = rows(content, file, files.rows)
    _refuse_beside(kind, files, content, file)
    shared = {name: content.get(name, otherwise) for name, otherwise in files.shared.items()}
    mistakes: list[str] = []
    for place, row in enumerate(listed):
        label = row.get(files.label) if files.label else None
        at = f"{label}: " if isinstance(label, str) and label.isprintable() else f"{files.rows}.{place}."
        made = _parsed(kind.model, as_row({**shared, **row}), at)
        if isinstance(made, list):
            mistakes += made
        else:
            yield made
    if mistakes:
        raise _wrong(file, mistakes)
    sample = content.get(files.sample) if files.sample else None
    if files.sample and isinstance(sample, dict):
        yield parse(kind.model, as_row({**shared, **sample}), file, f"{files.sample}.")


def _refuse_beside(kind: ConfigKind[M], files: ConfigFiles, content: Mapping[str, Any], file: Path) -> None:
    """Unknown fields beside the rows, and in the row that is there to be copied."""
    names = tuple(name for name in (files.rows, *files.shared, files.sample) if name)
    wrong = unknown_in(content, names)
    if files.sample:
        of_sample = unknown_fields(kind.model, content.get(files.sample))
        wrong += [replace(unknown, path=(files.sample, *unknown.path)) for unknown in of_sample]
    if wrong:
        raise CliError(f"{file}: {'.'.join(map(str, wrong[0].path))}: {wrong[0]}", "correct the file")


def known_symbols(folder: Path = CONFIG) -> tuple[str, ...]:
    """The symbols of the paper venue, in the order of its file."""
    import yaml

    from libs.configuration.yaml_text import yaml_value

    file = folder / "venues" / "paper.yaml"
    try:
        venue = yaml_value(file.read_text())
        return tuple(entry["symbol"] for entry in venue["symbols"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CliError(f"{shown(file)} cannot be read: {error}", todo(file)) from error


def read_token(file: Path) -> str | None:
    """The key of the API that a run keeps; None where there is none."""
    try:
        return file.read_text().strip() or None
    except OSError:
        return None
