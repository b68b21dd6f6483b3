"""What a context worker does in each look at its accounts and symbols, by how many there are.

`due_accounts_N`: a whole look at N accounts that ask for nothing; `due_step_N`: the first look, which knows nothing of
them, in its longest step of the event loop. `close_symbols_N`: to close a minute of N symbols with three timeframes.
`slow_steps`: steps of more than 5 ms that the loop's own log named while 2 000 accounts and 50 symbols went through
cycles. All of it processor time of one thread, without a bus.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from typing import Any

from libs.schemas.market import MarketTick
from services.context.application.cycles import LOOKED_AT, cycle, due_among, due_now, market_look
from services.context.domain.market import MarketState
from tests.builders import account, state
from tests.fakes.context_ports import World
from tests.fakes.context_values import at, strategy, tick

ACCOUNTS = (10, 100, 500, 2_000)
SYMBOLS = (5, 20, 50)
STEP_S = 0.005
CYCLES = 40
LONG_AFTER_S = 100.0  # after a boundary: then its cycles fire no more


def run() -> list[dict[str, Any]]:
    rows = []
    for count in ACCOUNTS:
        first, later = _looks(count)
        rows.append(_row(f"due_accounts_{count}", later * 1e3, "ms", None, "a look while they ask for nothing"))
        rows.append(
            _row(f"due_step_{count}", first * 1e3, "ms", STEP_S * 1e3, f"the first look, {LOOKED_AT} at a time")
        )
    rows += [
        _row(f"close_symbols_{count}", _closing(count) * 1e3, "ms", STEP_S * 1e3, "a minute closed by the clock")
        for count in SYMBOLS
    ]
    with asyncio.Runner(loop_factory=_ProcessorTimeLoop) as runner:
        slow, longest = runner.run(_slow_steps())
    reference = (
        f"of {CYCLES} cycles with {ACCOUNTS[-1]} accounts and {SYMBOLS[-1]} symbols; the longest {longest * 1e3:.0f} ms"
    )
    return [*rows, _row("slow_steps", float(slow), "", 0.0, reference)]


def _row(name: str, value: float, unit: str, goal: float | None, reference: str) -> dict[str, Any]:
    met = None if goal is None else value <= goal
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": met, "reference": reference}


def _world(accounts: int, symbols: int) -> World:
    """Each account trades two of the symbols, and every second one decides when a price moves."""
    world = World()
    names = [f"S{n}USDT" for n in range(symbols)]
    world.config.add(strategy("1m", "5m"))
    for n in range(accounts):
        traded = (names[n % symbols], names[(n + 1) % symbols])
        name = f"bench{n}"
        world.config.add(account(account_id=name, symbols=traded, price_trigger_pct=1.0 if n % 2 else None))
        world.states.states[name] = state(account_id=name)
    world.market.use(("5m", "15m"))
    for one in _ticks(names, 0.0):
        world.market.on_tick(one, 1)
    world.clock.time = at(LONG_AFTER_S)
    return world


def _ticks(names: list[str], seconds: float) -> list[MarketTick]:
    return [tick(seconds, 100.0, symbol=name) for name in names]


def _looks(count: int) -> tuple[float, float]:
    """Seconds of the longest step of the first look, and of a whole later one."""
    world = _world(count, SYMBOLS[0])
    accounts, now = list(world.config.accounts.values()), world.clock.now()
    parts = [accounts[n : n + LOOKED_AT] for n in range(0, count, LOOKED_AT)]
    gc.freeze()
    look = market_look(world.deps, now)
    first = max(_timed(lambda part=part: list(due_among(world.deps, look, part))) for part in parts)  # type: ignore[misc]
    return first, min(_timed(lambda: list(due_now(world.deps, now))) for _ in range(5))


def _closing(symbols: int) -> float:
    names = [f"S{n}USDT" for n in range(symbols)]
    market: MarketState = _world(0, symbols).market
    seconds = []
    for minute in range(1, 20):
        for second in range(0, 60, 15):
            for one in _ticks(names, minute * 60.0 + second):
                market.on_tick(one, 1)
        now = at(minute * 60.0 + 62)
        seconds.append(_timed(lambda now=now: market.close_due(now)))  # type: ignore[misc]
    return sorted(seconds)[len(seconds) // 2]


def _timed(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


async def _slow_steps() -> tuple[int, float]:
    """How many steps the loop called slow, and the longest of them in seconds. Its debugging costs time of its own."""
    told = _Told()
    logging.getLogger("asyncio").addHandler(told)
    world, loop = _world(ACCOUNTS[-1], SYMBOLS[-1]), asyncio.get_running_loop()
    await cycle(world.deps)
    gc.freeze()  # as workers do once they are ready
    loop.slow_callback_duration = STEP_S
    loop.set_debug(True)
    try:
        await asyncio.sleep(0)
        for n in range(CYCLES):
            world.clock.time = at(LONG_AFTER_S + n / 4)
            await cycle(world.deps)
    finally:
        loop.set_debug(False)
        logging.getLogger("asyncio").removeHandler(told)
    return len(told.seconds), max(told.seconds, default=0.0)


class _ProcessorTimeLoop(asyncio.SelectorEventLoop):
    """Its steps are timed by what they took of a processor, whatever else this machine does. No timer runs."""

    def time(self) -> float:
        return time.thread_time()


class _Told(logging.Handler):
    """What the loop says of slow steps: `Executing … took 0.012 seconds`."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seconds: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and "took" in str(record.msg):
            self.seconds.append(float(str(record.args[-1])))
