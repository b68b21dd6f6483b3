"""The live view as a terminal shows it, in four sizes."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.project import ROOT
from cli.run.workers import ALWAYS
from tests.e2e.screens import PRICES, SUMMARY
from tests.pace import PATIENCE_S
from tests.wanted import want

SIZES = [(80, 24), (100, 30), (120, 40), (200, 60)]
FULL = "103,245.20"


class Terminal:
    """A tmux of its own, of a size."""

    def __init__(self, socket: Path, width: int, height: int) -> None:
        self._tmux = ["tmux", "-f", "/dev/null", "-S", str(socket)]
        command = f"cd {ROOT} && env -u COLUMNS -u LINES {sys.executable} -m tests.e2e.screens; exec cat"
        self._do("new-session", "-d", "-x", str(width), "-y", str(height), command)

    def _do(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=True).stdout

    def lines(self) -> list[str]:
        return self._do("capture-pane", "-p").split("\n")[:-1]

    def interrupt(self) -> None:
        self._do("send-keys", "C-c")

    def until(self, holds: Callable[[str], bool]) -> list[str]:
        deadline = time.monotonic() + PATIENCE_S
        while not holds("\n".join(lines := self.lines())):
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.05)
        return lines

    def end(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_view_fits_and_shows_what_matters_and_the_summary_stays(width: int, height: int, tmp_path: Path) -> None:
    want("tmux", shutil.which("tmux") is not None, "no tmux on PATH")
    terminal = Terminal(tmp_path / "tmux", width, height)
    try:
        lines = terminal.until(lambda text: FULL in text and "accepted" in text)
        shows_what_matters(lines, width, height)
        terminal.interrupt()
        after = terminal.until(lambda text: SUMMARY in text)
        assert not any("Ctrl-C ends" in line for line in after)
    finally:
        terminal.end()


def shows_what_matters(lines: list[str], width: int, height: int) -> None:
    text = "\n".join(lines)
    assert len(lines) == height and max(map(len, lines)) <= width
    assert "2025-05-15 03:12:00 UTC" in lines[0] and "Ctrl-C ends" in lines[0]
    for symbol, _ in PRICES:
        assert any(symbol in line and "+1.01 %" in line for line in lines), f"{symbol}\n{text}"
    decided = [line for line in lines if "close position" in line and "2,500 USDT ×5" in line]
    assert len(decided) >= 3, text
    assert any("long" in line and "BTCUSDT" in line and "+12.25" in line and "mark" in line for line in lines), text
    assert "reducing since 05-15 03:10 UTC by executor" in " ".join(text.split()), text
    assert "http://127.0.0.1:28080/docs" in text
    if width >= 120 and height >= 40:
        for wanted in (*(f"{name}-1" for name in ALWAYS), "nats 2.15.1 :14222", "redis 6.2.14 :16379"):
            assert wanted in text, f"{wanted}\n{text}"
    if width < 100:
        assert "7/7 workers" in text and "nats" not in text, text
        assert "…" not in text.replace("key .perpetua/api_key", ""), text
