"""The committed JSON Schemas are the wire contract: a change of a model shows up here."""

from pathlib import Path

import pytest

from libs.schemas import export

FOLDER = Path(export.__file__).parent / "jsonschema"


@pytest.mark.parametrize(("name", "text"), sorted(export.documents().items()))
def test_the_committed_schema_is_what_the_model_says(name: str, text: str) -> None:
    assert (FOLDER / name).read_text() == text, (
        f"{name} drifted: run `python -m tools.checks --write` and review the difference"
    )


def test_no_schema_is_left_over_from_a_deleted_model() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(export.documents())
