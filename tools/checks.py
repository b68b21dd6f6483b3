"""`python -m tools.checks [--write]`: documents against the code they describe.

`.env.example` lists every variable of every Settings class; ARCHITECTURE.md names every durable with a handler that
exists; the committed JSON Schemas are what the models say; docs/risk.md holds the table of libs/risk/promises.py; no
text names a package index or a path of a machine; no task is cancelled by hand (tools/endings.py).
"""

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from libs.risk import promises
from libs.schemas import export
from libs.schemas.subjects import DURABLES, STREAMS, matches
from tools.endings import check_endings

ROOT = Path(__file__).parent.parent
SERVICES = ("feed", "context", "decider", "validator", "executor", "ledger", "gateway")
ENV_HEAD = """# Every variable that Perpetua reads, with its default. Copy what you need into the environment.
# Made by `python -m tools.checks --write`; `make check` compares it with the Settings classes.
"""
ROW = re.compile(r"^\| `(?P<subject>[^`]+)` \| `(?P<durable>[^`]+)` \| `(?P<file>[^`:]+):(?P<name>\w+)` \|")


def variables(settings: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    """Variable, default as text, description of each field."""
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        yield _variable(prefix, name, field), _default(field), field.description or ""


def _variable(prefix: str, name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return next(str(choice) for choice in alias.choices if str(choice).isupper())
    return str(alias) if isinstance(alias, str) else f"{prefix}{name}".upper()


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined or value is None:
        return ""
    text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    return text.replace(str(ROOT), ".")


def env_example() -> str:
    """Text of `.env.example`: variables that several services share come first."""
    seen: dict[str, tuple[str, str, list[str]]] = {}
    for service in SERVICES:
        settings = importlib.import_module(f"services.{service}.settings").Settings
        for variable, default, description in variables(settings):
            seen.setdefault(variable, (default, description, []))[2].append(service)
    groups: dict[str, list[str]] = {}
    for variable, (default, description, users) in seen.items():
        head = "several services" if len(users) > 1 else users[0]
        groups.setdefault(head, []).append(f"# {variable}={default}" + (f"   # {description}" if description else ""))
    heads = [head for head in ("several services", *SERVICES) if head in groups]
    return ENV_HEAD + "".join(f"\n# --- {head}\n" + "\n".join(groups[head]) + "\n" for head in heads)


def check_env() -> Iterator[str]:
    if (ROOT / ".env.example").read_text() != env_example():
        yield ".env.example differs from the Settings classes: run `python -m tools.checks --write`"


def check_schemas() -> Iterator[str]:
    folder = Path(export.__file__).parent / "jsonschema"
    for name, text in export.documents().items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            yield f"libs/schemas/jsonschema/{name} drifted: run `python -m tools.checks --write`"


def check_architecture() -> Iterator[str]:
    """The table of the main flow names every durable once, with a handler that exists."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = [match for line in text.splitlines() if (match := ROW.match(line))]
    named = {row["durable"] for row in rows}
    known = {re.sub(r"-p\d\d$", "-pNN", durable.name) for durable in DURABLES}
    yield from (f"ARCHITECTURE.md does not name the durable {name}" for name in sorted(known - named))
    yield from (f"ARCHITECTURE.md names {name}, which is no durable" for name in sorted(named - known))
    for row in rows:
        path = ROOT / row["file"]
        if not path.exists() or not re.search(rf"def {row['name']}\b", path.read_text()):
            yield f"ARCHITECTURE.md: {row['file']} has no function {row['name']}"
        subject = re.sub(r"<[^>]+>", "x", row["subject"])
        if not any(matches(p, subject) for s in STREAMS for p in s.subjects) and not subject.startswith(
            ("execute", "$")
        ):
            yield f"ARCHITECTURE.md: no stream takes {row['subject']}"


FORBIDDEN = re.compile(
    r"pypi\.|files\.pythonhosted|registry\.npmjs|deb\.debian\.org|/home/\w|/root/|/work/", re.IGNORECASE
)


def check_texts() -> Iterator[str]:
    """No host of a package index and no path of a machine in any tracked file."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        path = ROOT / name
        if name == "tools/checks.py" or not path.is_file() or path.stat().st_size > 1_000_000:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if FORBIDDEN.search(line):
                yield f"{name}:{number}: names a package index or a path of a machine"


TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)


def risk_doc() -> str:
    """docs/risk.md with the table of what enforces each field as the code has it."""
    return TABLE.sub(lambda _: promises.table(), (ROOT / "docs/risk.md").read_text())


def check_risk_doc() -> Iterator[str]:
    if (ROOT / "docs/risk.md").read_text() != risk_doc():
        yield "docs/risk.md differs from libs/risk/promises.py: run `python -m tools.checks --write`"


def write() -> None:
    (ROOT / "docs/risk.md").write_text(risk_doc())
    (ROOT / ".env.example").write_text(env_example())
    folder = Path(export.__file__).parent / "jsonschema"
    for name, text in export.documents().items():
        (folder / name).write_text(text)


CHECKS = (check_env, check_schemas, check_architecture, check_risk_doc, check_texts, check_endings)


def main() -> int:
    if "--write" in sys.argv[1:]:
        write()
    found = [line for check in CHECKS for line in check()]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
