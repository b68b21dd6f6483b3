"""What became of decisions in MongoDB, as the ledger writes it."""

from libs.analytics.accuracy import JudgedEntries
from libs.analytics.experiments import Decided
from libs.records import decided, outcomes
from libs.records.reading import RecordsDb, of_accounts
from libs.runtime.mongo import Document
from libs.schemas.experiment import Experiment
from services.gateway.adapters.mongo import answering
from services.gateway.adapters.mongo_records import between
from services.gateway.domain.outcomes import EntryFilter


class MongoOutcomes:
    def __init__(self, db: RecordsDb) -> None:
        self._db = db

    async def entries(self, wanted: EntryFilter) -> JudgedEntries:
        query: Document = {} if wanted.strategy_id is None else {"strategy_id": wanted.strategy_id}
        query |= of_accounts(wanted.accounts) | between("judged_at", wanted.since, wanted.until)
        with answering():
            return await outcomes.judged(self._db, query, wanted.symbol, wanted.model)

    async def of_arms(self, experiment: Experiment) -> list[Decided]:
        with answering():
            return await decided.arms_of(self._db, experiment)
