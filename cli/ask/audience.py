"""Who would hear a publisher: the run here, the bus that NATS_URL names, or the accounts of the files alone."""

import asyncio
import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

from cli.ask.address import nats_url
from cli.ask.publications import Audience, StillClock
from cli.connection import connected
from cli.errors import CliError
from cli.files import read
from cli.project import StateFolder
from cli.runfile import running
from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.runtime.bus import NATS_RETRY, Bus
from libs.runtime.clock import MarketClockMirror
from libs.runtime.errors import Unavailable
from libs.runtime.reader import Record, Start, read_all
from libs.schemas.kinds import ACCOUNT
from libs.schemas.subjects import MARKET

READ_TIMEOUT_S = 30.0
_AWAY: tuple[type[Exception], ...] = (TimeoutError, Unavailable, *NATS_RETRY)


def is_there(state_dir: Path) -> bool:
    """Whether there is a bus to be asked."""
    return bool(os.environ.get("NATS_URL")) or running(StateFolder(state_dir.resolve()).run_file) is not None


def of_files(config: Path, at: datetime | None) -> Audience:
    """An empty market, and the accounts as the files have them."""
    now = datetime.now(UTC)
    symbols = frozenset(symbol for account in read(ACCOUNT, config) for symbol in account.symbols)
    return Audience(symbols, StillClock(at or now, now))


async def of_run(state_dir: Path, at: datetime | None, replay_ticks: int) -> Audience:
    """The accounts, the clock and the newest of the market as they are on the bus now. CliError when it does not
    answer."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S), connected(nats_url(state_dir)) as bus:
            return await _looked_at(bus, at, replay_ticks)
    except _AWAY as error:
        raise CliError(f"the market was not read within {READ_TIMEOUT_S:.0f} s", "ask again, or add --alone") from error


async def _looked_at(bus: Bus, at: datetime | None, replay_ticks: int) -> Audience:
    clock, config, states = MarketClockMirror(bus), ConfigMirror(bus), StateMirror(bus)
    async with contextlib.AsyncExitStack() as stack:
        for mirror in (clock, config, states):
            await mirror.start()
            stack.push_async_callback(mirror.stop)
        state = (await bus.js.stream_info(MARKET.name)).state
        first = max(state.first_seq, state.last_seq - replay_ticks + 1, 1)
        heard: list[Record] = []
        await read_all(bus, MARKET.name, list(MARKET.subjects), heard.append, start=Start.at(first))
        still = StillClock(at or clock.now(), clock.wall(), clock.speed, clock.paused)
        return Audience(_followed(config, states), still, tuple(heard), whole=first == 1)


def _followed(config: ConfigMirror, states: StateMirror) -> frozenset[str]:
    """What accounts trade, and what they still hold: as context workers have it."""
    held = (position.symbol for state in states.items().values() for position in state.positions)
    return frozenset((*(symbol for account in config.accounts.values() for symbol in account.symbols), *held))
