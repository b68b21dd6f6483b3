"""Models as the API shows them: which there are, who decides, how they do. All of it is what the deciders say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from libs.schemas.analytics import HealthStatus, UsageMetrics
from libs.schemas.base import ModelChain, Name
from libs.schemas.models import ModelsConfig
from libs.schemas.worker import WorkerTold
from services.gateway.domain.configuring import AccountRef, Body, Reason

DECIDES, MODELS = "decides", "models"  # sections of what a decider tells
WILDCARD = "/*"
# An id of a model names nothing but a model: it has slashes, and never becomes a part of a subject or of a key.
ModelId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/@+-]{1,100}$")]
BAD_KEYS = frozenset({"refused", "no_credit", "no_key"})


class ModelShown(BaseModel):
    """A model of the catalogue. `price` is in dollars for a million tokens, null where only the provider knows it;
    `place` is where in the chain it stands that decides by default."""

    id: Name
    provider: Name
    price: dict[str, float | None] | None = None
    context_tokens: int
    capabilities: list[str] = []
    timeout_s: float | None = None
    place: int | None = None


class ModelList(BaseModel):
    """`chain` decides where nobody says otherwise, because of `by`; `told_by` are the deciders that say so, none where
    none runs. `differing` deciders have another catalogue or another chain."""

    chain: list[str]
    by: str
    switched: ModelsConfig | None
    items: list[ModelShown]
    told_by: list[str]
    differing: list[str]


class DeciderHealth(BaseModel):
    """One decider: its breakers and last answers by model, and what its last check of each provider's key found."""

    instance: str
    ready: bool
    heard_at: datetime
    redis: str | None
    status: HealthStatus


class ModelHealthList(BaseModel):
    """`healthy` is null where no decider runs that could say."""

    healthy: bool | None
    items: list[DeciderHealth]


class KeyCheck(BaseModel):
    """What a check of a provider's key found; `hint` says what puts it right."""

    decider: str
    provider: str
    models: list[str]
    verdict: str
    expected: str
    actual: str
    at: datetime
    fingerprint: str | None = Field(default=None, description="the last four letters of the key")
    hint: str = ""


class KeyCheckList(BaseModel):
    """`valid` is null where no decider runs that could say."""

    valid: bool | None
    items: list[KeyCheck]


class SwitchModelBody(Body):
    """`model` is one, or a chain `a,b,c`; null goes back to what the account, LLM_MODEL or models.yaml say. With an
    account for that account, else for all that have none of their own."""

    model: ModelChain | None
    account_id: AccountRef | None = None
    reason: Reason | None = None


class ModelsSwitched(BaseModel):
    """Who decides from now on: `account_id` null means everywhere."""

    account_id: str | None
    chain: list[str]
    version: int | None


class ModelPerformance(BaseModel):
    model: str
    usage: UsageMetrics


@dataclass(frozen=True, slots=True)
class ToldModels:
    """The catalogue of one decider, and who decides by default."""

    instance: str
    chain: tuple[str, ...]
    by: str
    entries: Mapping[str, Mapping[str, Any]]

    def knows(self, model: str) -> bool:
        return model in self.entries or model.partition("/")[0] + WILDCARD in self.entries


def told_models(workers: Iterable[WorkerTold]) -> list[ToldModels]:
    """What each decider says of models; one of another version, which says it otherwise, is passed over."""
    return [told for worker in workers if (told := _told(worker)) is not None]


def _told(worker: WorkerTold) -> ToldModels | None:
    section = worker.details.get(DECIDES)
    if worker.service != "decider" or not isinstance(section, dict):
        return None
    try:
        entries = {str(entry["id"]): entry for entry in section["models"]}
        return ToldModels(worker.instance, tuple(section["chain"]), str(section["by"]), entries)
    except (KeyError, TypeError):
        return None


def listed(told: Sequence[ToldModels], switched: ModelsConfig | None) -> ModelList:
    """The catalogue of the first decider; who differs from it is named."""
    first = told[0] if told else ToldModels("", (), "no decider runs that could say", {})
    chain, by = (switched.chain, f"switched to by {switched.by}") if switched else (first.chain, first.by)
    same = (first.chain, first.entries)
    return ModelList(
        chain=list(chain),
        by=by,
        switched=switched,
        items=[_shown(entry, chain) for entry in first.entries.values()],
        told_by=[one.instance for one in told],
        differing=[one.instance for one in told if (one.chain, one.entries) != same],
    )


def _shown(entry: Mapping[str, Any], chain: Sequence[str]) -> ModelShown:
    place = chain.index(entry["id"]) + 1 if entry["id"] in chain else None
    known = {name: entry[name] for name in ModelShown.model_fields if name in entry}
    return ModelShown.model_validate(known | {"capabilities": sorted(entry.get("capabilities", ())), "place": place})


def health(workers: Iterable[WorkerTold]) -> ModelHealthList:
    """What each decider says of its models."""
    items = [_health(worker) for worker in workers if worker.service == "decider" and MODELS in worker.details]
    return ModelHealthList(healthy=all(item.status.healthy for item in items) if items else None, items=items)


def _health(worker: WorkerTold) -> DeciderHealth:
    redis = worker.details.get("redis")
    return DeciderHealth(
        instance=worker.instance,
        ready=worker.ready,
        heard_at=worker.at,
        redis=None if redis is None else str(redis),
        status=HealthStatus.model_validate(worker.details[MODELS]),
    )
