"""The glossary is in order; paths of guides lead somewhere."""

import pytest

from tools.documents import disorder, missing_paths

HEAD = "# Glossary\n\nWhat words mean.\n\n"


def test_a_glossary_in_order_has_nothing_wrong() -> None:
    assert disorder(f"{HEAD}**arm**: a way to decide.\n\n**book**: what an account holds.\n") == []


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        pytest.param("**book**: a.\n**arm**: b.\n", "arm stands after book", id="order"),
        pytest.param("**arm**: a.\n**arm**: b.\n", "arm stands twice", id="twice"),
        pytest.param("**arm** a way to decide.\n", "not an entry: **arm** a way to decide.", id="no colon"),
        pytest.param("**arm**: a way to decide\n", "not an entry: **arm**: a way to decide", id="no full stop"),
    ],
)
def test_a_glossary_out_of_order_is_refused(entries: str, line: str) -> None:
    assert disorder(HEAD + entries) == [line]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        pytest.param("open `libs/risk/gone.py`", ["libs/risk/gone.py"], id="file"),
        pytest.param("open `libs/risk/gone.py:rule`", ["libs/risk/gone.py"], id="function in a file"),
        pytest.param("everything in `libs/gone/`", ["libs/gone/"], id="folder"),
        pytest.param("[why so](docs/decisions/0099-gone.md)", ["docs/decisions/0099-gone.md"], id="link"),
        pytest.param("`libs/risk/judge.py`, `make check`, [out](https://example.org/a.py)", [], id="all there"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(text: str, missing: list[str]) -> None:
    assert missing_paths(text, {"libs/risk/judge.py"}.__contains__) == missing
