"""The page in a browser, over a running product: what it shows is what the API says, and what it does is done."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from libs.runtime.deadletters import dead_letter, letter_error
from libs.runtime.ending import end
from libs.schemas.reasons import DeadLetterCode
from tests import builders
from tests.e2e.browsing import PATIENCE_MS, Line, Watched, browser, decided, number
from tests.e2e.running import Running, running
from tests.pace import PATIENCE_S, Watch

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.asyncio(loop_scope="module"),
]
PAGES = ("overview", "accounts", "decisions", "models", "strategies", "replay", "system")
FIRST = "document.querySelector('tbody tr a')?.getAttribute('href')"
LETTER = dead_letter(
    subject="decision.requested.scalping",
    headers={"Nats-Msg-Id": "a-test-of-the-page"},
    body=b"no request at all",
    stream="REQUESTS",
    durable="ledger-requests",
    sequence=1,
    error=letter_error(DeadLetterCode.HANDLER_ERROR, "a fault of ours"),
    deliveries=8,
    now=builders.T0,
)
CHANGED = "What changed from version 1 to 2"
MORE = "A line of this test.\n"
STATE_SHOWN_S = 1.0  # issue 16: a state is shown within a second
SIZES = ((390, 844), (1280, 900), (2560, 1440))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, Watched]]:
    async with browser() as chromium, running(tmp_path_factory.mktemp("page") / "state") as run:
        page = await chromium.new_page(viewport={"width": 1280, "height": 900})
        watched = Watched.over(page)
        await page.goto((await run.perpetua("page")).strip())
        await page.wait_for_selector("nav a")
        yield run, watched
        assert watched.errors == []
        assert {host.partition(":")[0] for host in watched.hosts} == {"127.0.0.1"}


def url_of(run: Running) -> str:
    return str(json.loads((run.state / "run.json").read_text())["gateway_url"])


def key_of(run: Running) -> str:
    return (run.state / "api_key").read_text().strip()


async def asked(run: Running, path: str, **query: str) -> Any:
    async with run.api() as api:
        answer = await api.get(f"/api/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextlib.asynccontextmanager
async def another(watched: Watched) -> AsyncIterator[Watched]:
    """A page of somebody else: nothing that the first one knows."""
    chromium = watched.page.context.browser
    assert chromium is not None
    context = await chromium.new_context()
    try:
        yield Watched.over(await context.new_page())
    finally:
        await context.close()


async def test_an_address_signs_in_once(product: tuple[Running, Watched]) -> None:
    run, watched = product
    assert "ticket" not in watched.page.url
    address = (await run.perpetua("page")).strip()
    async with another(watched) as first:
        await first.page.goto(address)
        await first.page.wait_for_selector("nav a")
    async with another(watched) as second:
        await second.page.goto(address)
        assert "has signed in once" in await second.page.inner_text("[role=alert]")


async def test_a_wrong_key_is_told_and_a_key_that_reads_has_no_buttons(product: tuple[Running, Watched]) -> None:
    run, watched = product
    async with run.api() as api:
        made = await api.post("/api/v1/keys", json={"name": "reader", "scopes": ["read"]})
    async with another(watched) as reader:
        await reader.sign_in(url_of(run), "perp_wrong")
        assert "not known" in await reader.page.inner_text("[role=alert]")
        assert await reader.serious() == []
        await reader.sign_in(url_of(run), made.json()["token"])
        await reader.page.wait_for_selector("nav a")
        for name in ("overview", "accounts", "strategies"):
            await reader.open(name)
            shown = await reader.page.locator("button").all_inner_texts()
            assert not {"Controls", "Flatten", "Halt", "Close", "Save as a new version"} & set(shown), (name, shown)
        assert await reader.page.get_by_text("read only").count() == 1
        await reader.open("system")
        assert await reader.page.get_by_text("Dead letters").count() == 0


async def test_a_decision_arrives_and_shows_what_the_api_says(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await watched.open("decisions")
    before = await page.locator("tbody tr a").first.get_attribute("href", timeout=PATIENCE_MS)
    await page.wait_for_function(f"old => {FIRST} && {FIRST} !== old", arg=before)
    await page.select_option("label:has-text('Status') select", "accepted")
    await page.wait_for_function("() => document.querySelector('tbody .tag')?.innerText.includes('accepted')")
    await page.locator("tbody tr a").first.click()
    await page.wait_for_selector(".trace")
    record = await asked(run, f"/decisions/{page.url.rpartition('/')[2]}")
    text = await page.inner_text("main")
    assert record["correlation_id"] in text and record["decision_id"] in text
    assert number(await page.inner_text("[data-figure=equity]")) == Decimal(
        record["context"]["account_state"]["equity"]
    )
    assert all(receipt["message"] in text for verdict in record["verdicts"] for receipt in verdict["receipts"])
    assert all(act["rationale"] in text for act in record["decision"]["decisions"])
    orders = [(order["symbol"], order["quantity"], order["filled"]) for order in record["orders"]]
    assert [(cells[0], number(cells[2]), number(cells[4])) for cells in await watched.cells("Orders")] == [
        (symbol, Decimal(quantity), Decimal(filled)) for symbol, quantity, filled in orders
    ]
    fills = [(fill["symbol"], fill["quantity"], fill["price"], fill["fee"]) for fill in record["fills"]]
    assert [(cells[1], *map(number, cells[3:6])) for cells in await watched.cells("Fills")] == [
        (symbol, *map(Decimal, figures)) for symbol, *figures in fills
    ]


async def test_the_same_question_goes_to_another_model(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await page.select_option("select[aria-label=Model]", "builtin/trend")
    await page.click("text=Ask again >> nth=-1")
    sides = page.locator("[data-again]")
    await sides.wait_for()
    record = await asked(run, f"/decisions/{await sides.get_attribute('data-again')}")
    assert (record["dry_run"], record["model_used"], record["orders"]) == (True, "builtin/trend", [])
    before, after = await sides.locator("> div").all_inner_texts()
    assert before.startswith("This decision") and after.startswith("Asked again: builtin/trend")
    assert all(act["rationale"] in after for act in record["decision"]["decisions"])


async def test_an_account_is_flattened_with_a_reason(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await watched.open("accounts/scalping")
    await page.locator("main").get_by_role("button", name="Flatten").click()
    flatten = page.locator("dialog button.danger")
    assert await flatten.is_disabled()  # until there is a reason
    await page.fill("dialog input.reason", "a test of the page")
    assert await watched.serious() == []
    with Watch() as watch:
        await flatten.click()
        await page.wait_for_selector("main .tag:has-text('halted')")
    assert watch.quiet_s <= STATE_SHOWN_S
    await page.wait_for_selector("dialog [role=status]")
    await page.keyboard.press("Escape")
    await page.wait_for_function("() => document.querySelector('main').innerText.includes('No open position.')")
    state = await asked(run, "/accounts/scalping/state")
    assert (state["trading_state"], state["positions"]) == ("halted", [])
    assert number(await page.inner_text("[data-figure=wallet]")) == Decimal(state["wallet_balance"])
    audit = await asked(run, "/audit", subject="account.scalping", limit="50")
    assert "a test of the page" in json.dumps(audit) or "a test of the page" in json.dumps(state["standing"])


async def test_nothing_serious_is_wrong_on_any_page_of_any_size(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    decision = (await asked(run, "/decisions/history", limit="1"))["items"][0]["decision_id"]
    for theme in ("dark", "light"):
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        for name in (*PAGES, f"decisions/{decision}"):
            await watched.open(name)
            assert await watched.serious() == [], (name, theme)
            for width, height in SIZES:
                await page.set_viewport_size({"width": width, "height": height})
                await watched.fits()


async def test_a_strategy_is_checked_and_shown_as_it_is_written(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await watched.open("strategies/scalping")
    positions = page.get_by_label("max positions")
    await positions.fill("0")
    await page.wait_for_selector("input[aria-invalid] + small.error")
    await positions.fill("2")
    await page.locator("textarea").fill(MORE + await page.input_value("textarea"))
    await page.wait_for_selector(f"pre:has-text('{MORE.strip()}')")
    assert int(await page.get_attribute("[data-tokens]", "data-tokens") or 0) > 0
    await page.get_by_label("Reason", exact=True).fill("fewer at once")
    await page.get_by_role("button", name="Save as a new version").click()
    await page.wait_for_selector("li:has-text('fewer at once')")
    stored = await asked(run, "/strategies/scalping")
    assert (stored["max_positions"], stored["prompt_template"].startswith(MORE)) == (2, True)
    assert ["max positions", "2"] in [[name, after] for name, _, after in await watched.cells(CHANGED)]


async def test_what_was_put_aside_is_looked_at_and_replayed(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await run.pipeline.bus.publish(LETTER)
    await watched.open("system")
    row = page.get_by_role("region", name="Dead letters", exact=True).locator("tbody tr").first
    await row.get_by_role("button", name="Show").click()
    await page.wait_for_selector("pre:has-text('no request at all')")
    await row.get_by_role("button", name="Replay").click()
    await page.wait_for_selector("[role=status]:has-text('in the log again')")
    assert "1" in [cells[5] for cells in await watched.cells("Dead letters")]


async def test_a_stream_that_was_cut_goes_on_behind_its_last_event(product: tuple[Running, Watched]) -> None:
    run, watched = product
    whole: list[str] = []
    async with another(watched) as reader, following(run, whole) as more:
        line = await Line.of(reader.page)
        await reader.sign_in(url_of(run), key_of(run))
        await reader.page.wait_for_selector(".tag:has-text('live')")
        await run.pipeline.progress(1)
        await line.cut()
        await reader.page.wait_for_selector("[role=alert]:has-text('The stream is cut')")
        await run.pipeline.progress(2)
        await reader.page.wait_for_selector(".tag:has-text('live')")
        await run.pipeline.progress(1)
        assert len(line.addresses) == 2 and "last_event_id=" in line.addresses[1]
        told = list(line.decisions)
        async with asyncio.timeout(PATIENCE_S):
            while told[0] not in whole or len(whole) < whole.index(told[0]) + len(told):
                more.clear()
                await more.wait()
    begin = whole.index(told[0])
    assert told == whole[begin : begin + len(told)]


@contextlib.asynccontextmanager
async def following(run: Running, events: list[str]) -> AsyncIterator[asyncio.Event]:
    """The same events over a line that nobody cuts; what it gives is set when there are more."""
    more = asyncio.Event()

    async def read(lines: AsyncIterator[str]) -> None:
        async for line in lines:
            events.extend(decided(line[5:]) if line.startswith("data:") else [])
            more.set()

    async with run.api() as api, api.stream("GET", "/api/v1/stream", params={"channels": "decisions"}) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        reading = asyncio.create_task(read(lines))
        try:
            yield more
        finally:
            await end([reading])


async def test_a_page_outlives_its_gateway(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await watched.open("decisions")
    (gateway,) = run.pipeline.workers("gateway")
    await run.pipeline.kill(gateway, ready=False)
    await page.wait_for_selector("[role=alert]:has-text('The stream is cut')")
    await page.wait_for_selector(".tag:has-text('live')")
    newest = await page.locator("tbody tr a").first.get_attribute("href")
    await page.wait_for_function(f"old => {FIRST} && {FIRST} !== old", arg=newest)
    assert watched.errors == []
