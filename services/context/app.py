"""Wiring of the context worker."""

from datetime import datetime
from typing import Any

from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.runtime.worker import Worker, run
from services.context.adapters.candles import OwnCandles
from services.context.adapters.deadletters import DeadTicks
from services.context.adapters.inflight import KvPlaces
from services.context.adapters.market import NatsMarketLog
from services.context.adapters.positions import NatsPositionLog
from services.context.adapters.requests import NatsRequestLog
from services.context.adapters.reuse import RedisReuse
from services.context.adapters.steps import KvSteps
from services.context.application.cycles import run_cycles
from services.context.domain.assets import Studies
from services.context.domain.market import MarketState
from services.context.domain.patience import Patience
from services.context.handlers import routes
from services.context.metrics import MarketCollector, Metrics
from services.context.ports import Deps
from services.context.settings import Settings

_NAMES = 20


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("context", settings)
    bus, clock = worker.bus, worker.clock
    metrics = Metrics(worker.registry)
    market = MarketState(settings.bounds())
    config, states, requests = ConfigMirror(bus), StateMirror(bus), NatsRequestLog(bus, clock)
    positions, places = NatsPositionLog(bus, clock, config), KvPlaces(bus)
    reuse = RedisReuse(settings.redis_url, clock)
    dead = DeadTicks(bus, clock, metrics, settings.dead_letter_queue)
    log = NatsMarketLog(bus, clock, config, market, dead, metrics, settings.replay_ticks, states, settings.admission)
    MarketCollector(market, lambda: log.last_sequence, clock.now, worker.registry)
    own = OwnCandles(market, bus, clock, metrics, settings.candle_wait)
    deps = Deps(
        clock=clock,
        config=config,
        states=states,
        market=market,
        studies=Studies(market),
        patience=Patience(settings.state_wait),
        log=log,
        requests=requests,
        positions=positions,
        places=places,
        steps=KvSteps(bus, clock, log, states, positions),
        reuse=reuse,
        publisher=bus,
        meter=metrics,
        limits=settings.limits(),
    )
    for service in (config, states, requests, positions, places, reuse, log):
        worker.add(service)
    worker.background("cycles", lambda: run_cycles(deps))
    worker.background("own-candles", own.run)
    worker.background("dead-ticks", dead.drain)
    worker.background("timeframes", log.follow_config)
    worker.detail("market", lambda: told(market, clock.now()))
    worker.readiness("market", lambda: log.ready)
    worker.doing(lambda: log.doing)
    worker.include(routes(deps))
    return worker


def told(market: MarketState, now: datetime) -> dict[str, Any]:
    """What /health says of the market, for `perpetua doctor` and `perpetua market`."""
    left_out = list(market.following.left_out)
    return {"followed": len(market.following), "left_out": len(left_out), "names": left_out[:_NAMES]}


if __name__ == "__main__":
    run(create_app)
