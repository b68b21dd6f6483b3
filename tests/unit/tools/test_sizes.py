"""The check that no file is too long."""

from pathlib import Path

from tools.sizes import LINES, check_sizes


def test_the_first_line_too_many_is_told(tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "long.py").write_text("\n" * (LINES + 1))
    (tmp_path / "libs" / "full.py").write_text("\n" * LINES)
    (tmp_path / "libs" / "notes.txt").write_text("\n" * (LINES + 1))
    (said,) = check_sizes(tmp_path)
    assert said.startswith(f"libs/long.py has {LINES + 1} lines")
