"""The feed: plays a recorded or a made-up market on the bus, on a clock of its own."""

from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from libs.runtime.clock import Clock
from libs.runtime.connection import Connection
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.worker import Worker, run
from libs.schemas.kv_keys import feed_lease_key
from services.feed.adapters.ccxt import CcxtMarket
from services.feed.adapters.csv import DataError, open_replay, read_symbol
from services.feed.adapters.kept import KeptLease
from services.feed.adapters.lease import KvLease
from services.feed.adapters.lockstep import NatsLockstep
from services.feed.adapters.nats import NatsDesk
from services.feed.adapters.synthetic import SyntheticMarket
from services.feed.application import publish
from services.feed.domain.timeline import MarketSource
from services.feed.metrics import FeedMetrics
from services.feed.ports import Deps, Live
from services.feed.settings import Settings

__all__ = ["DataError", "check_candles", "create_app", "open_market"]

# There is one market clock, so one feed drives it, whichever market it plays and whatever its symbols.
LEASE_KEY = feed_lease_key("market", "all")


def open_market(settings: Settings, clock: Clock) -> MarketSource | Live | None:
    if settings.feed == "replay" and settings.data_dir is not None:
        return open_replay(settings.data_dir, settings.symbols, settings.start_day, settings.history_days)
    if settings.feed == "synthetic":
        return SyntheticMarket(settings.seed, settings.symbols, settings.start_day, settings.history_days)
    if settings.feed == "ccxt":
        return CcxtMarket(
            settings.feed_venue,
            settings.symbols,
            clock,
            settings.feed_interval,
            silence_s=settings.stream_silence,
        )
    return None


def check_candles(folder: Path, symbol: str) -> None:
    """Read all rows of a symbol as a replay would. Raises DataError with the first that is wrong."""
    read_symbol(folder, symbol)


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("feed", settings)
    meter = FeedMetrics(worker.registry)
    lease = KeptLease(
        lambda: Connection(settings, DeliveryMetrics(CollectorRegistry()), "feed"),
        lambda bus: KvLease(bus, worker.clock, LEASE_KEY, settings.instance),
    )
    worker.add(lease)
    desk = NatsDesk(worker.bus)
    deps = Deps(
        open_market=partial(open_market, settings, worker.clock),
        desk=desk,
        lease=lease,
        clock=worker.clock,
        meter=meter,
        speed=settings.speed,
        lockstep=NatsLockstep(worker.bus) if settings.lockstep else None,
    )
    # Ready is whoever plays, or stands by while another one does: before that there is no market to decide about.
    worker.readiness("market", lambda: meter.plays or (not meter.holds and worker.clock.present is not None))
    worker.doing(lambda: desk.doing)
    worker.background("publishing", partial(publish, deps))
    return worker


if __name__ == "__main__":
    run(create_app)
