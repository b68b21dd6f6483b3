"""The committed JSON Schemas are what the models say."""

from pathlib import Path

from libs.schemas import export

FOLDER = Path(export.__file__).parent / "jsonschema"


def check_schemas() -> list[str]:
    return [
        f"libs/schemas/jsonschema/{name} drifted: run `python -m tools.checks --write`"
        for name, text in export.documents().items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text
    ]


def write() -> None:
    for name, text in export.documents().items():
        (FOLDER / name).write_text(text)
