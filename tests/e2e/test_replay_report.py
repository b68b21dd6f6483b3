"""The report of a replay in a browser: on a screen and on a phone, light and dark, asking nobody."""

import asyncio
from pathlib import Path

import pytest

from replay.report.page import write_report
from tests.e2e.browsing import Watched, browser, chromium
from tests.integration.replay.test_results import done
from tests.unit.replay.markets import market, wanted

CHARTS = """() => [...document.querySelectorAll('.chart')].map((chart) => {
  const box = chart.getBoundingClientRect();
  const marks = [...chart.querySelectorAll('i')].map((mark) => mark.getBoundingClientRect());
  const inside = marks.every((mark) => mark.left > box.left - 12 && mark.right < box.right + 12
    && mark.top > box.top - 12 && mark.bottom < box.bottom + 12);
  return { wide: box.width, high: box.height, drawn: chart.querySelector('path').getTotalLength() > 0, inside };
})"""
COLOURS = "() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; }"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")], ids=["a screen", "a phone"])
async def test_a_report_is_whole_on_any_screen(tmp_path: Path, width: int, scheme: str) -> None:
    await asyncio.to_thread(done, tmp_path, wanted(market(400, 130, wild=0.005)))
    report = await asyncio.to_thread(write_report, tmp_path)
    async with browser(chromium) as made:
        dark = scheme == "dark"
        page = await made.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
        watched = Watched.over(page)
        await page.goto(report.as_uri())
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.click("summary")
        charts = await page.evaluate(CHARTS)
        assert len(charts) == 4
        assert all(chart["drawn"] and chart["inside"] and chart["high"] > 100 < chart["wide"] for chart in charts)
        text, back = await page.evaluate(COLOURS)
        assert (text, back) == (
            ("rgb(232, 238, 244)", "rgb(13, 19, 26)") if dark else ("rgb(20, 32, 43)", "rgb(243, 245, 248)")
        )
        shown = await page.screenshot(path=tmp_path / f"report-{width}.png", full_page=True)
        assert len(shown) > 20_000
        assert watched.hosts == {""} and not watched.errors
