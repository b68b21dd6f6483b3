"""Hints name commands that can be typed as they stand."""

import pytest

from cli.main import placed


@pytest.mark.parametrize(
    ("hint", "words", "wanted"),
    [
        ("see `perpetua status`", ("perpetua", "market"), "see `perpetua status`"),
        (
            "`perpetua status` shows it, `perpetua down` ends it",
            ("perpetua", "up", "--state-dir", "/tmp/my run"),
            "`perpetua status --state-dir '/tmp/my run'` shows it, `perpetua down --state-dir '/tmp/my run'` ends it",
        ),
        ("see `perpetua status`", ("perpetua", "up", "--state-dir=/s"), "see `perpetua status --state-dir /s`"),
        ("see `perpetua up --help`", ("perpetua", "up", "--state-dir", "/s"), "see `perpetua up --help`"),
        ("run `make setup`", ("perpetua", "up", "--state-dir", "/s"), "run `make setup`"),
        ("`perpetua flatten --direct`", ("perpetua", "up", "--state-dir", "/s"), "`perpetua flatten --direct`"),
    ],
)
def test_a_hint_names_the_state_folder_that_was_used(hint: str, words: tuple[str, ...], wanted: str) -> None:
    assert placed(hint, words) == wanted
