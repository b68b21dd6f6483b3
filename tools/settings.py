"""`.env.example` lists every variable of every Settings class, those that several services share first."""

from collections.abc import Iterator

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from cli.run.settings import StartSettings
from cli.run.variables import settings_classes
from cli.run.workers import NAMES
from libs.runtime.settings import variables_of
from tools.paths import ROOT

FILE = ROOT / ".env.example"
HEAD = """# Every variable that Perpetua reads, with its default. Copy what you need into the environment.
# Made by `python -m tools.checks --write`; `make check` compares it with the Settings classes.
"""
SHARED = "several services"
COMMAND = "the command"


def variables(settings: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    """Variable, default as text, description of each field."""
    for name, names in variables_of(settings).items():
        field = settings.model_fields[name]
        yield names[0], _default(field), field.description or ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined or value is None:
        return ""
    text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    return text.replace(str(ROOT), ".")


def env_example() -> str:
    """Text of `.env.example`."""
    seen: dict[str, tuple[str, str, list[str]]] = {}
    classes: dict[str, type[BaseSettings]] = {**settings_classes(), COMMAND: StartSettings}
    for service, settings in classes.items():
        for variable, default, description in variables(settings):
            seen.setdefault(variable, (default, description, []))[2].append(service)
    groups: dict[str, list[str]] = {}
    for variable, (default, description, users) in seen.items():
        head = SHARED if len(users) > 1 else users[0]
        groups.setdefault(head, []).append(f"# {variable}={default}" + (f"   # {description}" if description else ""))
    heads = [head for head in (SHARED, *NAMES, COMMAND) if head in groups]
    return HEAD + "".join(f"\n# --- {head}\n" + "\n".join(groups[head]) + "\n" for head in heads)


def check_env() -> list[str]:
    if FILE.read_text() == env_example():
        return []
    return [".env.example differs from the Settings classes: run `python -m tools.checks --write`"]


def write() -> None:
    FILE.write_text(env_example())
