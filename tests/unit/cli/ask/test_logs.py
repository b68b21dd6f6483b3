"""Logs as people read them."""

import json
from pathlib import Path

import pytest

from cli.ask.logs import find, last, line_of
from cli.errors import CliError

WORKERS = ("feed", "decider")
LINE = '{"ts": "2025-05-15T03:12:00+00:00", "level": "WARNING", "msg": "publishing is interrupted"}'


def test_the_last_lines_are_sentences_or_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "feed-1.log"
    log.write_text(f"{LINE}\nnot JSON\n")
    assert find(tmp_path, "feed", WORKERS) == find(tmp_path, "feed-1", WORKERS) == log
    assert last(log, 2, raw=False) == ["03:12:00 WARNING  publishing is interrupted", "not JSON"]
    assert last(log, 2, raw=True) == [LINE, "not JSON"]
    assert last(log, 1, raw=False) == ["not JSON"]
    with pytest.raises(CliError) as raised:
        find(tmp_path, "../secrets", WORKERS)
    assert raised.value.hint == "there are feed-1"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("decider", "start it by `perpetua up` or `perpetua demo`"),
        ("decider-2", "start it by `perpetua up` or `perpetua demo`"),
        ("redis", "start it by `perpetua up` or `perpetua demo`"),
        ("decidr", "there may be feed, decider, nats, mongodb, redis, supervisor"),
    ],
)
def test_where_nothing_ran_a_name_is_judged_by_those_that_there_may_be(name: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(CliError) as raised:
        find(tmp_path, name, WORKERS)
    assert raised.value.hint == hint


def test_an_exception_is_told_by_its_last_line() -> None:
    told = {"ts": "2025-05-15T03:12:00", "level": "ERROR", "msg": "failed", "exception": "Traceback\n x\nOSError: gone"}
    entry = json.dumps(told)
    assert line_of(entry) == "03:12:00 ERROR    failed: OSError: gone"
