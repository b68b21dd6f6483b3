"""The ledger: every event but ticks, in MongoDB, to be queried."""

from datetime import timedelta
from functools import partial

from libs.records.archive import Archive
from libs.runtime.batches import Batches
from libs.runtime.bus import NATS_RETRY
from libs.runtime.mongo import MONGO_AWAY, Database
from libs.runtime.pulse import Pulse
from libs.runtime.worker import Worker, run
from services.ledger.adapters.candles import FollowedCandles
from services.ledger.adapters.mongo import MongoStore
from services.ledger.adapters.mongo_outcomes import OutcomeDocuments
from services.ledger.adapters.nats import NatsEventLog
from services.ledger.adapters.retention import Retention
from services.ledger.adapters.seals import FollowedHistory, MongoSeals
from services.ledger.application.outcomes import OutcomeDesk
from services.ledger.application.sealing import Sealer
from services.ledger.handlers import routes
from services.ledger.metrics import LedgerMetrics
from services.ledger.ports import Deps
from services.ledger.settings import Settings

DELAY_S = 0.1  # how long an event may wait for others: what is written once costs the decision path least
BUSY_S = 0.5  # the same under load: all events of a decision in one batch; less than a second, when heartbeats begin


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("ledger", settings, away=MONGO_AWAY)
    database = Database(settings.mongodb_url, settings.mongodb_db)
    pulse = Pulse("MongoDB", database.ping, MONGO_AWAY)
    worker.add(database)
    worker.add(pulse)
    worker.readiness("mongodb", lambda: pulse.beats)
    store = MongoStore(database.db)
    together = Batches(store.apply_together, size=settings.ledger_batch, delay_s=DELAY_S, busy_s=BUSY_S)
    worker.add(together)
    deps = Deps(
        store=store,
        together=together,
        log=NatsEventLog(worker.bus),
        clock=worker.clock,
        batch=settings.ledger_batch,
        max_drawdown_pct=settings.ledger_max_drawdown_pct,
    )
    candles = FollowedCandles(worker.bus)
    worker.add(candles)
    metrics = LedgerMetrics(worker.registry)
    worker.background("outcomes", OutcomeDesk(OutcomeDocuments(database.db), candles, metrics, MONGO_AWAY).run)
    if settings.ledger_keep_days:
        archive = Archive(database.db, settings.ledger_archive_dir)
        retention = Retention(archive, worker.clock, timedelta(days=settings.ledger_keep_days))
        worker.background("retention", retention.run)
    history = FollowedHistory(worker.bus)
    worker.add(history)
    sealer = Sealer(MongoSeals(database.db), history, worker.bus.publish, worker.clock, (*MONGO_AWAY, *NATS_RETRY))
    worker.background("seals", partial(sealer.run, settings.ledger_seal_every))
    worker.include(routes(deps, metrics))
    return worker


if __name__ == "__main__":
    run(create_app)
