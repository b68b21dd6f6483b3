"""Levels of loggers by a file, without a restart."""

import asyncio
import logging
from pathlib import Path

EVERY_S = 2.0
WORDS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
log = logging.getLogger(__name__)


class Levels:
    """Lines `logger=LEVEL`, `root` for all others. A line that is gone gives the logger back the level of before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = ""
        self._before: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Do what the file says, if it says something else than at the last look."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as error:
            log.warning("levels cannot be read: %s", error)
            return
        if text != self._seen:
            self._seen = text
            self._apply(dict(_lines(text)))

    def _apply(self, wanted: dict[str, str]) -> None:
        for name in self._before.keys() - wanted.keys():
            logging.getLogger(name).setLevel(self._before.pop(name))
        for name, level in wanted.items():
            logger = logging.getLogger(name)
            self._before.setdefault(name, logger.level)
            logger.setLevel(level)
        log.warning("levels of loggers now: %s", ", ".join(f"{n}={level}" for n, level in wanted.items()) or "as set")


def _lines(text: str) -> list[tuple[str, str]]:
    pairs = []
    for line in text.splitlines():
        name, separator, level = line.partition("=")
        if separator and level.strip() in WORDS:
            pairs.append((name.strip(), level.strip()))
        elif line.strip() and not line.startswith("#"):
            log.warning("not a line of levels: %s", line[:100])
    return pairs
