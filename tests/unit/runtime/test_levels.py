"""Levels of loggers change by a file."""

import logging
from pathlib import Path

import pytest

from libs.runtime.levels import Levels


def test_a_level_is_that_of_the_file_until_its_line_is_gone(tmp_path: Path) -> None:
    file, logger = tmp_path / "levels", logging.getLogger("perpetua.test.levels")
    levels = Levels(file)
    logger.setLevel(logging.ERROR)
    levels.look()  # there is no file yet
    assert logger.level == logging.ERROR
    file.write_text("perpetua.test.levels=DEBUG\n")
    levels.look()
    assert logger.level == logging.DEBUG
    file.write_text("# quiet again\n")
    levels.look()
    assert logger.level == logging.ERROR


def test_a_line_that_is_none_is_said_and_the_others_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, logger = tmp_path / "levels", logging.getLogger("perpetua.test.others")
    file.write_text("perpetua.test.others=INFO\nperpetua.test.others is LOUD\nx=LOUDER\n")
    Levels(file).look()
    assert logger.level == logging.INFO
    assert "not a line of levels: perpetua.test.others is LOUD" in caplog.text
    assert "not a line of levels: x=LOUDER" in caplog.text
    logger.setLevel(logging.NOTSET)
