"""What a call of a model came to, as the gate has to know it."""

from dataclasses import dataclass

from libs.schemas.account import Account
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.replies import Outcome


@dataclass(frozen=True, slots=True)
class Settlement:
    """`cost_usd` and `tokens` are None where the provider did not say: then the reservation stands."""

    call_id: str
    account: Account | None
    entry: CatalogueEntry
    cost_usd: float | None
    tokens: int | None
    outcome: Outcome
