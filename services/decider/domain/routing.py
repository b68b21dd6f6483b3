"""Which models are asked for a decision, in which order, and who said so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from libs.schemas.account import Account
from libs.schemas.context import TradingContext
from libs.schemas.models import ModelsConfig
from services.decider.domain.catalogue import Catalogue, CatalogueEntry, UnknownModel

Chosen = Literal["arm", "request", "strategy", "account", "default"]
MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class ModelWishes:
    """What each level says, as text `a` or `a,b,c`; None where it says nothing. `default` always says something."""

    default: str
    account: str | None = None
    strategy: str | None = None
    request: str | None = None
    arm: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The models in the order in which they are asked. The first level that names any gives the whole chain: no
    level falls back to another's models, so that an outage never changes who decides without the user's word."""

    models: tuple[str, ...]
    by: Chosen


def wishes(
    default: str, switched: ModelsConfig | None, account: Account | None, context: TradingContext
) -> ModelWishes:
    """What configuration and the request say of this context. `switched` goes before `default`."""
    return ModelWishes(
        default=",".join(switched.chain) if switched else default,
        account=account.model if account else None,
        strategy=context.account_state.active_strategy.model,
        request=context.request.model,
    )


def names(text: str) -> tuple[str, ...]:
    """The models of `a, b,c`, each once."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def route(wishes: ModelWishes) -> Route:
    """Experiment arm before request before strategy before account before the global default."""
    levels: tuple[tuple[Chosen, str | None], ...] = (
        ("arm", wishes.arm),
        ("request", wishes.request),
        ("strategy", wishes.strategy),
        ("account", wishes.account),
    )
    for by, text in levels:
        if text and (found := names(text)):
            return Route(found, by)
    return Route(names(wishes.default), "default")


def resume(models: tuple[str, ...], asked: Sequence[str]) -> tuple[str, ...]:
    """The chain of a redelivered decision: what was asked before stays the beginning, whatever is configured since."""
    begun = tuple(dict.fromkeys(asked))
    positions = [models.index(model) for model in begun if model in models]
    return models if len(positions) == len(begun) and positions == sorted(positions) else begun


def entries(catalogue: Catalogue, models: Sequence[str]) -> tuple[CatalogueEntry, ...] | UnknownModel:
    """The catalogue's entries of a chain. One unknown name refuses the chain: it is a mistake, not an outage."""
    found: list[CatalogueEntry] = []
    for model in models[:MAX_CHAIN]:
        entry = catalogue.find(model)
        if isinstance(entry, UnknownModel):
            return entry
        found.append(entry)
    return tuple(found) or UnknownModel("", tuple(catalogue.entries))
