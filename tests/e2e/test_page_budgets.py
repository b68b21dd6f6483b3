"""The page before a gateway that only talks: it costs little (issue 16, 6), and reads runs of replay by itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.builders.replays import replayed
from tests.e2e.budgets import Measured, measured
from tests.forms import sized
from tests.pace import Watch, quiet, usual

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(sized(300, 3_600)),
    pytest.mark.asyncio(loop_scope="module"),
]
PER_S = 200
SCRIPTING_MS = 4.0
TASK_MS = 100.0
NODES = 12_000
SHOWN = 500
HEAP_MB = 2.0  # more than one collection leaves behind; 20 000 events kept would be 10
EVENTS = sized(400, 30 * 60 * PER_S)
HEAP_EVENTS = 20_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[Measured]:
    async with measured() as made:
        yield made


async def test_an_event_costs_little_and_no_task_holds_the_page_up(desk: Measured) -> None:
    before = await desk.heap_mb()
    with Watch() as watch:
        spent = await desk.scripting_ms(EVENTS, PER_S)
    assert usual(spent) <= SCRIPTING_MS
    assert quiet(await desk.longest_task_ms()) <= TASK_MS, watch.quiet_s
    assert await desk.heap_mb() - before <= sized(HEAP_MB * 5, HEAP_MB)


async def test_ten_thousand_decisions_behind_the_list_leave_the_page_light(desk: Measured) -> None:
    await desk.watched.open("decisions")
    assert await desk.all_older() == SHOWN
    assert await desk.nodes() <= NODES
    await desk.hears(200)
    assert await desk.nodes() <= NODES


async def test_the_heap_stays_flat_over_twenty_thousand_events(desk: Measured) -> None:
    await desk.watched.open("overview")
    await desk.hears(2_000)
    before = await desk.heap_mb()
    await desk.hears(HEAP_EVENTS)
    assert await desk.heap_mb() - before <= HEAP_MB


async def test_runs_of_replay_are_read_from_a_folder(desk: Measured, tmp_path: Path) -> None:
    for name, grown in (("first", 1.5), ("second", -2.25)):
        (tmp_path / name).mkdir()
        for file, text in replayed(grown).items():
            (tmp_path / name / file).write_text(text)
    await desk.watched.open("replay")
    await desk.page.set_input_files("input[type=file]", tmp_path)
    await desk.page.wait_for_selector("h2:has-text('Side by side')")
    runs = [(cells[1], cells[7]) for cells in await desk.watched.cells("Runs")]
    assert runs == [("first", "▲ +1.50 %"), ("second", "▼ −2.25 %")]
    assert "no difference shown" in await desk.page.inner_text("main")
    assert await desk.watched.serious() == []
