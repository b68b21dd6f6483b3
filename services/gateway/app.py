"""The gateway: the HTTP API over the bus and the history."""

import secrets

from libs.runtime.mirror import ConfigMirror, StateMirror
from libs.runtime.mongo import Database
from libs.runtime.worker import Worker, run
from services.gateway.adapters.kv import KvAccounts
from services.gateway.adapters.mongo import MongoClaims, MongoKeys
from services.gateway.adapters.mongo_records import MongoRecords
from services.gateway.adapters.nats import NatsLog
from services.gateway.handlers.http import http_app
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps
from services.gateway.settings import Settings


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("gateway", settings)
    database = Database(settings.mongodb_url, settings.mongodb_db)
    config, states = ConfigMirror(worker.bus), StateMirror(worker.bus)
    for service in (database, config, states):
        worker.add(service)
    deps = Deps(
        keys=MongoKeys(database.db),
        claims=MongoClaims(database.db),
        records=MongoRecords(database.db),
        log=NatsLog(worker.bus),
        accounts=KvAccounts(config, states),
        clock=worker.clock,
        new_id=lambda: secrets.token_hex(16),
        hosts=settings.hosts,
    )
    worker.serve_http(http_app(deps, GatewayMetrics(worker.registry)), settings.gateway_host, settings.gateway_port)
    return worker


if __name__ == "__main__":
    run(create_app)
