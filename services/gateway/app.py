"""The gateway: the HTTP API over the bus and the history."""

import secrets

from libs.configuration.accounts import Accounts
from libs.configuration.configuration import Configuration, KvConfigStore
from libs.configuration.mirror import ConfigMirror, MirroredAccounts, StateMirror
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates
from libs.runtime.mongo import Database
from libs.runtime.worker import Worker, run
from services.gateway.adapters.mongo import MongoClaims, MongoKeys
from services.gateway.adapters.mongo_analytics import MongoAnalytics
from services.gateway.adapters.mongo_records import MongoRecords
from services.gateway.adapters.nats import NatsGatewayLog
from services.gateway.adapters.nats_market import NatsMarket
from services.gateway.handlers.http import http_app
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import ConfigurationAccess, Deps
from services.gateway.settings import Settings


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("gateway", settings)
    database = Database(settings.mongodb_url, settings.mongodb_db)
    config, states = ConfigMirror(worker.bus), StateMirror(worker.bus)
    for service in (database, config, states):
        worker.add(service)
    configuration = Configuration(KvConfigStore(worker.bus))
    strategies = Strategies(configuration, JinjaTemplates())
    deps = Deps(
        keys=MongoKeys(database.db),
        claims=MongoClaims(database.db),
        records=MongoRecords(database.db),
        log=NatsGatewayLog(worker.bus),
        accounts=MirroredAccounts(config, states),
        market=NatsMarket(worker.bus),
        analytics=MongoAnalytics(database.db),
        desk=ConfigurationAccess(strategies, Accounts(configuration, strategies), configuration.store),
        clock=worker.clock,
        new_id=lambda: secrets.token_hex(16),
        hosts=settings.hosts,
        max_tick_age=settings.tick_age,
    )
    worker.serve_http(http_app(deps, GatewayMetrics(worker.registry)), settings.gateway_host, settings.gateway_port)
    return worker


if __name__ == "__main__":
    run(create_app)
