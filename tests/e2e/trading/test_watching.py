"""What an operator sees of a run: every panel has data, and a dead letter is an alert with a way to its cause."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.boards import BOARDS, find_data, questions
from tests.e2e.running import Running
from tests.e2e.trading.asked import GENERATE, MINE, Traded
from tests.fakes.otlp import Collector
from tests.pace import PATIENCE_S
from tests.prometheus import Prometheus, prometheus, shortened, until
from tools.runbooks import PAGES, RULES

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="package"),
]
PAGE = (PAGES / "DeadLetters.md").read_text()
ELSEWHERE = "perpetua_notifier_"  # of which this run has none: tests/e2e/test_drill.py


@pytest.fixture(scope="package")
def watch(run: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    ports: dict[str, list[int]] = {}
    for worker in run.pipeline.run.supervisor.workers:
        ports.setdefault(worker.name, []).append(worker.port)
    with prometheus(tmp_path_factory.mktemp("prometheus"), ports, shortened(RULES.read_text())) as made:
        yield made


@pytest.mark.parametrize("board", BOARDS)
async def test_every_query_of_every_panel_finds_data(
    watch: Prometheus, api: httpx.AsyncClient, traded: Traded, board: str
) -> None:
    """Of a run that traded, and in which a client asked for what is refused."""
    refused = await api.post(GENERATE, json={"account_id": MINE, "symbols": ["NOSUCH"]})
    assert refused.status_code >= 400 or refused.json()["status"] != "accepted"
    assert questions(board)
    await find_data(watch, {query for query in questions(board) if ELSEWHERE not in query})


async def test_a_dead_letter_is_an_alert_whose_first_command_shows_the_cause_and_it_ends(
    run: Running, watch: Prometheus
) -> None:
    await until(lambda: watch.series("sum(perpetua_context_dead_letters_total)"), lambda: "not scraped yet")
    with run.publisher() as publisher:
        publisher.publish("market.tick.BTCUSDT", b'{"symbol": "BTCUSDT", "price": "a drill"}')
        publisher.flush()
    await until(lambda: "DeadLetters" in watch.firing(), lambda: "the alert does not fire")
    first = re.search(r"```\n(perpetua [^\n]*)\n", PAGE)
    assert first is not None
    assert "price" in await run.perpetua(*first[1].split()[1:])
    await until(lambda: "DeadLetters" not in watch.firing(), lambda: "the alert does not end")


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
