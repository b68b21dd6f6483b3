"""A history that was backed up is the same after a restore, to whoever asks the command (the long form alone)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_demo import SYNTHETIC, started, until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]
WANTED = 6


def perpetua(state: Path, *words: str) -> str:
    with started(*words, "--state-dir", str(state)) as process:
        said, errors = process.communicate(timeout=400)
    assert (process.returncode, errors) == (0, ""), said + errors
    return said


def decisions(state: Path) -> dict[str, Any]:
    rows = json.loads(perpetua(state, "decisions", "--limit", "500", "--json"))
    return {row["decision_id"]: row for row in rows}


def traded(state: Path, more_than: int) -> dict[str, Any]:
    """The decisions of a run that made some more and has ended; what the last moments brought is left out."""
    perpetua(state, "up", *SYNTHETIC)
    until(lambda: len(decisions(state)) >= more_than)
    found = decisions(state)
    perpetua(state, "down")
    return found


def test_a_restored_history_is_equal(tmp_path: Path) -> None:
    state, file = tmp_path / "state", tmp_path / "kept.tar.gz"
    before = traded(state, WANTED)
    perpetua(state, "backup", str(file))
    later = traded(state, len(before) + WANTED)
    perpetua(state, "restore", str(file), "--replace")
    perpetua(state, "up", *SYNTHETIC)
    after = decisions(state)
    perpetua(state, "down")
    assert set(before) <= set(after)
    assert {key: after[key]["prompt_hash"] for key in before} == {key: before[key]["prompt_hash"] for key in before}
    assert set(later) - set(before)
