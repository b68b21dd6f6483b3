"""What an operator sees of a run: every panel has data, and a dead letter is an alert with a way to its cause."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.running import Running
from tests.e2e.trading.asked import GENERATE, MINE, Traded
from tests.fakes.otlp import Collector
from tests.pace import PATIENCE_S
from tests.prometheus import Prometheus, prometheus, shortened
from tools.paths import ROOT
from tools.runbooks import PAGES, RULES

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="package"),
]
BOARDS = {path.stem: path.read_text() for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))}
WINDOW = "20s"
PAGE = (PAGES / "DeadLetters.md").read_text()
# What this run has none of: it has no notifier, its model is a rule (no tokens, no key), and a budget is not set.
ELSEWHERE = ("perpetua_notifier_", "gen_ai_client_token_usage", "perpetua_decider_key_valid")


@pytest.fixture(scope="package")
def watch(run: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    ports: dict[str, list[int]] = {}
    for worker in run.pipeline.run.supervisor.workers:
        ports.setdefault(worker.name, []).append(worker.port)
    with prometheus(tmp_path_factory.mktemp("prometheus"), ports, shortened(RULES.read_text())) as made:
        yield made


async def until(done: Callable[[], Any], what: str) -> Any:
    """What `done` gives as soon as it gives something."""
    for _ in range(int(PATIENCE_S / 0.25)):
        if found := await asyncio.to_thread(done):
            return found
        await asyncio.sleep(0.25)
    raise AssertionError(what)


@pytest.mark.parametrize("board", BOARDS)
async def test_every_query_of_every_panel_finds_data(
    watch: Prometheus, api: httpx.AsyncClient, traded: Traded, board: str
) -> None:
    """Of a run that traded, and in which a client asked for what is refused."""
    refused = await api.post(GENERATE, json={"account_id": MINE, "symbols": ["NOSUCH"]})
    assert refused.status_code >= 400 or refused.json()["status"] != "accepted"
    panels = json.loads(BOARDS[board])["panels"]
    queries = {target["expr"].replace("$__rate_interval", WINDOW) for panel in panels for target in panel["targets"]}
    assert queries
    left = {query for query in queries if not any(part in query for part in ELSEWHERE)}

    def empty() -> set[str]:
        left.difference_update({query for query in left if watch.series(query)})
        return left

    try:
        await until(lambda: not empty(), "no data")
    except AssertionError:
        raise AssertionError(f"no data: {sorted(left)}") from None


async def test_a_dead_letter_is_an_alert_whose_first_command_shows_the_cause_and_it_ends(
    run: Running, watch: Prometheus
) -> None:
    await until(lambda: watch.series("sum(perpetua_context_dead_letters_total)"), "not scraped yet")
    with run.publisher() as publisher:
        publisher.publish("market.tick.BTCUSDT", b'{"symbol": "BTCUSDT", "price": "a drill"}')
        publisher.flush()
    await until(lambda: "DeadLetters" in watch.firing(), "the alert does not fire")
    first = re.search(r"```\n(perpetua [^\n]*)\n", PAGE)
    assert first is not None
    assert "price" in await run.perpetua(*first[1].split()[1:])
    await until(lambda: "DeadLetters" not in watch.firing(), "the alert does not end")


async def test_no_span_no_metric_and_no_log_holds_a_secret(run: Running, collector: Collector) -> None:
    """Neither the API key nor the password of a publisher."""
    secrets = [(run.state / "api_key").read_text().strip()]
    secrets += re.findall(r"://[^:/@\s]*:([^@\s]+)@", (run.state / "publisher_url").read_text())
    assert len(secrets) == 2
    told = "\n".join(f"{span.name} {span.attributes}" for span in collector.spans)
    logs = "\n".join(path.read_text(errors="replace") for path in (run.state / "logs").glob("*.log"))
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        addresses = [f"http://127.0.0.1:{worker.port}/metrics" for worker in run.pipeline.run.supervisor.workers]
        metrics = "\n".join([(await client.get(address)).text for address in addresses])
    assert told
    assert logs
    assert "perpetua_" in metrics
    for secret in secrets:
        assert secret not in told
        assert secret not in logs
        assert secret not in metrics
