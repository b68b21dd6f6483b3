"""The gateway: the HTTP API over the bus and the history."""

import secrets
from typing import Any, cast

from prometheus_client import CollectorRegistry

from libs.configuration.accounts import Accounts
from libs.configuration.configuration import Configuration
from libs.configuration.experiments import Experiments
from libs.configuration.kv_store import KvConfigStore
from libs.configuration.mirror import ConfigMirror, MirroredAccounts, StateMirror
from libs.configuration.models import ModelSwitch
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates
from libs.records.key_store import KeyStore
from libs.records.keys import TOKEN_BYTES, token_of
from libs.runtime.marks import LatestMarks
from libs.runtime.mongo import MONGO_AWAY, Database
from libs.runtime.pulse import Pulse
from libs.runtime.sockets import LastingServer
from libs.runtime.worker import Worker, run
from services.gateway.adapters.mongo_analytics import MongoAnalytics
from services.gateway.adapters.mongo_outcomes import MongoOutcomes
from services.gateway.adapters.mongo_records import MongoRecords
from services.gateway.adapters.nats import NatsGatewayLog
from services.gateway.adapters.nats_claims import NatsClaims
from services.gateway.adapters.nats_keys import MirroredKeys
from services.gateway.adapters.nats_letters import NatsLetters
from services.gateway.adapters.nats_market import NatsMarket
from services.gateway.adapters.nats_market_feed import NatsMarketFeed
from services.gateway.adapters.nats_stream_log import NatsStreamLog
from services.gateway.adapters.nats_tickets import NatsTickets
from services.gateway.adapters.nats_workers import MirroredWorkers, OwnOperations
from services.gateway.adapters.redis_limits import RedisLimits
from services.gateway.application.streams import StreamHub
from services.gateway.domain.limits import Brake, Rates
from services.gateway.handlers.http import api_of, http_app
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import ConfigurationAccess, Deps
from services.gateway.settings import Settings

# The keys' reader hears NATS each second: a server that hangs is noticed though its connection stands.
SILENT_S = 5.0


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("gateway", settings)
    database = Database(settings.mongodb_url, settings.mongodb_db)
    config, states = ConfigMirror(worker.bus), StateMirror(worker.bus)
    key_store = KeyStore(worker.bus)
    keys = MirroredKeys(worker.bus, key_store)
    limits = RedisLimits(settings.redis_url, lambda: worker.clock.wall().timestamp())
    history = Pulse("MongoDB", database.ping, MONGO_AWAY)
    marks = LatestMarks(worker.bus, worker.clock, settings.admission)
    streams = NatsStreamLog(worker.bus)
    for service in (database, config, states, keys, limits, history, marks, streams):
        worker.add(service)
    configuration = Configuration(KvConfigStore(worker.bus))
    strategies = Strategies(configuration, JinjaTemplates())
    workers = MirroredWorkers(worker.bus, worker.clock.wall)
    worker.add(workers)
    deps = Deps(
        keys=keys,
        key_desk=key_store,
        claims=NatsClaims(worker.bus),
        limits=limits,
        records=MongoRecords(database.db),
        log=NatsGatewayLog(worker.bus, streams),
        accounts=MirroredAccounts(config, states),
        market=NatsMarket(worker.bus, marks),
        analytics=MongoAnalytics(database.db),
        outcomes=MongoOutcomes(database.db),
        desk=desk_of(configuration, strategies),
        told=workers,
        letters=NatsLetters(worker.bus),
        operations=OwnOperations(worker.bus, database, worker.checks, limits),
        streams=streams,
        market_feed=NatsMarketFeed(worker.bus, worker.clock, settings.admission),
        tickets=NatsTickets(worker.bus),
        clock=worker.clock,
        new_id=lambda: secrets.token_hex(16),
        new_token=lambda: token_of(secrets.token_bytes(TOKEN_BYTES)),
        rates=Rates(settings.gateway_rate_limit, settings.gateway_generate_limit, settings.gateway_streams),
        brake=Brake(settings.gateway_wrong_key_limit),
        hosts=settings.hosts,
        max_tick_age=settings.tick_age,
        symbols=settings.symbols,
        page_dir=settings.page_dir,
    )
    worker.readiness("mongodb", lambda: history.beats)
    worker.readiness("keys", lambda: keys.silence_s < SILENT_S)
    worker.detail("rates", lambda: "shared" if limits.shared else "local: Redis does not answer")
    app = http_app(deps, GatewayMetrics(worker.registry))
    worker.serve_http(app, settings.gateway_host, settings.gateway_port, LastingServer)
    return worker


def desk_of(configuration: Configuration, strategies: Strategies) -> ConfigurationAccess:
    return ConfigurationAccess(
        strategies,
        Accounts(configuration, strategies),
        configuration.store,
        Experiments(configuration, strategies),
        ModelSwitch(configuration),
    )


def description() -> dict[str, Any]:
    """Of the HTTP API as this working copy serves it, without a server: routes are described, none is called."""
    deps, metrics = cast(Deps, None), GatewayMetrics(CollectorRegistry())
    return api_of(deps, metrics, StreamHub(deps, metrics)).openapi()


if __name__ == "__main__":
    run(create_app)
