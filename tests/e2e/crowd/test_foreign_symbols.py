"""Six hundred symbols of others on the bus, told again and again: the configured ones are followed and shown."""

import asyncio
import json
import threading
from datetime import UTC, datetime

import pytest

from tests.chaos.pipeline import until
from tests.e2e.running import Running
from tests.pace import Watch

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.asyncio(loop_scope="package"),
]
FOREIGN = tuple(f"OTHER{n}USDT" for n in range(600))
OWN = {"BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT"}
BREATH_S = 0.5  # between two rounds: a tick a second or two of each is what exchanges send
WITHIN_S = 60  # on a quiet machine, far below what reading every tick took: most of it is the start of the command


class Rounds:
    """Every foreign symbol once a round, until the end, by a program of its own connection."""

    def __init__(self, run: Running) -> None:
        self._run = run
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self.done = 0

    def _publish(self) -> None:
        with self._run.publisher() as publisher:
            while not self._end.wait(BREATH_S):
                for n, symbol in enumerate(FOREIGN):
                    price = 1 + n / 100 + self.done % 7 / 1_000
                    publisher.tick(f"market.tick.{symbol}", symbol=symbol, price=price, size=1, source="others")
                publisher.flush()
                self.done += 1

    def __enter__(self) -> "Rounds":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()

    async def more(self, count: int) -> None:
        wanted = self.done + count
        while self.done < wanted:
            assert self._thread.is_alive(), "the publisher was refused"
            await asyncio.sleep(0.05)


async def asked(run: Running, *words: str) -> tuple[str, float]:
    """What the command prints, and the seconds that it would have taken on a quiet machine."""
    with Watch() as watch:
        said = await run.perpetua(*words)
    return said, watch.quiet_s


async def test_six_hundred_foreign_symbols_do_not_crowd_out_the_configured_ones(run: Running) -> None:
    before = run.pids()
    with Rounds(run) as rounds:
        await rounds.more(3)
        async with run.following("CONTEXTS", "context.built.*") as contexts:
            await until(lambda: len(contexts) >= 5, "contexts while others publish")
            await run.pipeline.progress(5)
        doctor, doctor_s = await asked(run, "doctor")
        market, market_s = await asked(run, "market", "--json")
        await rounds.more(3)
        await run.pipeline.progress(2)
    bodies = [json.loads(record.data) for record in contexts]
    assert any(set(body["market_data"]["assets"]) >= OWN for body in bodies)
    for body in bodies:  # on a machine that is too slow for all ticks one may be stale; none is unknown
        lacking = OWN - set(body["market_data"]["assets"])
        assert lacking <= {error["scope"] for error in body["errors"] if error["code"] == "stale"}, body["errors"]
    check_market(json.loads(market))
    assert "leaves out " in doctor and "raise PERPETUA_MAX_SYMBOLS" in doctor
    assert doctor_s < WITHIN_S, f"doctor took {doctor_s:.1f} s of a quiet machine"
    assert market_s < WITHIN_S, f"market took {market_s:.1f} s of a quiet machine"
    assert run.pids() == before and run.pipeline.run.supervisor.restarts == 0


def check_market(view: dict[str, object]) -> None:
    """The own symbols are told with a fresh price, and it is said how many are not followed."""
    rows = {row["symbol"]: row for row in view["symbols"]}  # type: ignore[attr-defined]
    assert rows.keys() >= OWN
    assert not OWN & set(view["unread"])  # type: ignore[call-overload]
    assert {symbol for symbol in OWN if rows[symbol]["price"] and rows[symbol]["candles"]} == OWN
    assert view["left_out_count"] >= 100  # type: ignore[operator]
    assert datetime.fromisoformat(str(view["market_time"])) <= datetime.now(UTC)
