"""The page in a browser, over a running product: what it shows is what the API says, and what it does is done."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.e2e.browsing import AXE, Watched, browser
from tests.e2e.running import Running, running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.asyncio(loop_scope="module"),
]
PAGES = ("overview", "accounts", "decisions", "models", "strategies", "system")
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
        await reader.sign_in(url_of(run), made.json()["token"])
        await reader.page.wait_for_selector("nav a")
        for name in ("overview", "accounts", "strategies"):
            await reader.open(name)
            shown = await reader.page.locator("button").all_inner_texts()
            assert not {"Controls", "Flatten", "Halt", "Close", "Save as a new version"} & set(shown), (name, shown)
        assert await reader.page.get_by_text("read only").count() == 1


async def test_a_decision_arrives_and_shows_what_the_api_says(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await watched.open("decisions")
    before = await rows(page)
    await page.wait_for_function("n => document.querySelectorAll('tbody tr').length > n || n >= 50", arg=before)
    await page.wait_for_selector("tbody tr a")
    address = await page.locator("tbody tr a").first.get_attribute("href")
    assert address is not None
    record = await asked(run, f"/decisions/{address.rpartition('/')[2]}")
    await page.evaluate("address => { location.hash = address }", address)
    await page.wait_for_selector(".trace")
    text = await page.inner_text("main")
    assert record["correlation_id"] in text and record["decision_id"] in text
    assert grouped(record["context"]["account_state"]["equity"]) in text
    for verdict in record["verdicts"]:
        assert verdict["asset"] in text
        assert all(receipt["message"] in text for receipt in verdict["receipts"])
    for one in record["decision"]["decisions"]:
        assert one["rationale"] in text
    for order in record["orders"]:
        assert grouped(order["quantity"]) in text


async def rows(page: Page) -> int:
    return await page.locator("tbody tr").count()


def grouped(digits: str) -> str:
    whole, dot, rest = digits.partition(".")
    return f"{int(whole):,}{dot}{rest}"


async def test_the_same_question_goes_to_another_model(product: tuple[Running, Watched]) -> None:
    _, watched = product
    page = watched.page
    await page.select_option("select[aria-label=Model]", "builtin/trend")
    await page.click("text=Ask again >> nth=-1")
    await page.wait_for_selector("[data-again]")
    assert "builtin/trend" in await page.inner_text("[data-again]")


async def test_an_account_is_flattened_with_a_reason(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await watched.open("accounts/scalping")
    await page.locator("main").get_by_role("button", name="Flatten").click()
    flatten = page.locator("dialog button.danger")
    assert await flatten.is_disabled()  # until there is a reason
    await page.fill("dialog input.reason", "a test of the page")
    await flatten.click()
    await page.wait_for_selector("dialog [role=status]")
    await page.keyboard.press("Escape")
    await page.wait_for_selector("main .tag:has-text('halted')")
    await page.wait_for_function("() => document.querySelector('main').innerText.includes('No open position.')")
    state = await asked(run, "/accounts/scalping/state")
    assert (state["trading_state"], state["positions"]) == ("halted", [])
    assert await page.inner_text("[data-figure=wallet]") == grouped(state["wallet_balance"])
    audit = await asked(run, "/audit", subject="account.scalping", limit="50")
    assert "a test of the page" in json.dumps(audit) or "a test of the page" in json.dumps(state["standing"])


async def test_nothing_serious_is_wrong_on_any_page_of_any_size(product: tuple[Running, Watched]) -> None:
    _, watched = product
    page = watched.page
    await page.evaluate(AXE.read_text())
    for theme in ("dark", "light"):
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        for name in PAGES:
            await watched.open(name)
            assert await watched.serious() == [], (name, theme)
            for width, height in SIZES:
                await page.set_viewport_size({"width": width, "height": height})
                await watched.fits()


async def test_a_stream_that_was_cut_goes_on(product: tuple[Running, Watched]) -> None:
    run, watched = product
    page = watched.page
    await watched.open("decisions")
    (gateway,) = run.pipeline.workers("gateway")
    await run.pipeline.kill(gateway, ready=False)
    await page.wait_for_selector("[role=alert]:has-text('The stream is cut')")
    await page.wait_for_selector(".tag:has-text('live')")
    newest = await page.locator("tbody tr a").first.get_attribute("href")
    await page.wait_for_function("old => document.querySelector('tbody tr a').getAttribute('href') !== old", arg=newest)
    assert watched.errors == []
