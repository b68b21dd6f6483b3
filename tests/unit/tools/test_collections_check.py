"""A collection that is named outside libs/records is found, however it is named."""

from pathlib import Path

import pytest

from libs.records.collections import INDEXES
from tools.collection_names import bare_names, check_collection_names


@pytest.mark.parametrize(
    "source",
    [
        'db["decisions"].find({})',
        'self._db["decisions"]',
        'world.db["decisions"]',
        'mongo["perpetua"]["decisions"]',
        "db.decisions.find({})",
        'self._db.get_collection("decisions", codec_options=CODEC)',
        '[{"$lookup": {"from": "decisions", "as": "decision"}}]',
        '[{"$unionWith": {"coll": "decisions"}}]',
        '[{"$out": "decisions"}]',
        'Upsert("decisions", key)',
    ],
)
def test_a_bare_name_is_found(source: str) -> None:
    assert bare_names(f"\n{source}\n") == [(2, "decisions")]


@pytest.mark.parametrize(
    "source",
    [
        "db[DECISIONS].find({})",
        'row["decisions"]',
        'answer.json()["decisions"]',
        'body.get("decisions")',
        'db["perpetua"]',
        '{"from": "2026-11-01"}',
        'self._db.command("ping")',
    ],
)
def test_what_names_no_collection_passes(source: str) -> None:
    assert bare_names(source) == []


def test_every_collection_is_looked_for() -> None:
    assert [bare_names(f'db["{name}"]') for name in INDEXES] == [[(1, name)] for name in INDEXES]


def test_a_finding_names_file_line_and_remedy(tmp_path: Path) -> None:
    for folder in ("libs/records", "services"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "some.py").write_text('db["fills"]\n')
    (tmp_path / "notes.md").write_text('db["fills"]\n')
    files = ["libs/records/some.py", "services/some.py", "notes.md", "services/deleted.py"]
    assert list(check_collection_names(tmp_path, files)) == [
        "services/some.py:1: names the collection fills: take it from libs/records/collections.py"
    ]
