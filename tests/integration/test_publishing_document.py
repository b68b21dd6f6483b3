"""The examples of docs/publishing.md do what the page says."""

import asyncio
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.ask.publications import Audience, Publication, StillClock, publications
from cli.ask.published import PublishedKind
from cli.ask.rehearsal import FateKind, rehearse
from cli.connection import connected
from libs.runtime.provision import provision_nats
from libs.runtime.reader import Record, Start, read_all
from libs.schemas.subjects import MARKET
from services.context.settings import Settings
from tests.wanted import want

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "publishing.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
SYMBOLS = frozenset({"BTCUSDT", "ETHUSDT", "SOLUSDT"})


def examples(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


async def run(folder: Path, *command: str) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate()
    return child.returncode or 0, said.decode()


async def stored(url: str) -> list[Record]:
    found: list[Record] = []
    async with connected(url) as bus:
        await read_all(bus, MARKET.name, list(MARKET.subjects), found.append, start=Start.all())
    return found


async def test_all_that_the_python_examples_publish_counts(nats_url: str, tmp_path: Path) -> None:
    async with connected(nats_url) as bus:
        await provision_nats(bus.js)
    (tmp_path / ".perpetua").mkdir()
    (tmp_path / ".perpetua" / "publisher_url").write_text(f"{nats_url}\n")
    for text in examples("python"):
        code, said = await run(tmp_path, sys.executable, "-c", text)
        assert code == 0, f"{text}\n{said}"
    now = datetime.now(UTC)
    messages = [Publication(n, each.subject, each.data) for n, each in enumerate(await stored(nats_url), 1)]
    fates, stale = rehearse(messages, Audience(SYMBOLS, StillClock(now, now)), Settings())
    assert {fate.kind for fate in fates} == {FateKind.ACCEPTED}, [fate for fate in fates if fate.said]
    assert {fate.subject for fate in fates} == {
        "market.tick",
        "market.tick.ETHUSDT",
        "market.funding.BTCUSDT",
        "market.note.BTCUSDT",
    }
    assert stale == []


async def test_the_example_in_javascript_is_javascript(tmp_path: Path) -> None:
    want("node", shutil.which("node") is not None, "the example is looked at by Node")
    (text,) = examples("js")
    (tmp_path / "publish.mjs").write_text(text)
    assert await run(tmp_path, "node", "--check", "publish.mjs") == (0, "")


def test_the_lines_that_are_to_be_checked_end_as_the_page_says() -> None:
    (lines,) = examples("json")
    messages = publications(lines.encode(), PublishedKind.TICK)
    at = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)
    fates, _ = rehearse(messages, Audience(SYMBOLS, StillClock(at, at)), Settings())
    assert [fate.kind for fate in fates] == [
        FateKind.ACCEPTED,
        FateKind.REFUSED,
        FateKind.REFUSED,
        FateKind.ACCEPTED,
    ]
    assert [(fate.code, fate.wrong) for fate in fates[1:3]] == [("invalid", "symbol"), ("invalid", "price")]


def test_every_fate_is_in_the_page() -> None:
    rows = re.findall(r"^\| ([a-z, ]+) \|", PAGE.read_text(), re.MULTILINE)
    named = {word.strip() for row in rows for word in row.split(",")}
    assert named >= {kind.value for kind in FateKind}
