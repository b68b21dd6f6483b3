"""The kinds of configuration, each once: its key, its model, its event, and where people write it.

A new kind is one line here. Files, commands, API, mirror and ledger take what they need to know from this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from libs.schemas import subjects
from libs.schemas.account import Account
from libs.schemas.base import Message
from libs.schemas.experiment import Experiment
from libs.schemas.models import MODELS_KEY, TRIAL_KEY, ModelsConfig, ModelsTrial
from libs.schemas.names import Key, is_key
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import ANY_SYMBOL, VenueSymbol

ConfigValue = Account | TradingStrategy | VenueSymbol | Experiment | ModelsConfig | ModelsTrial
C = TypeVar("C", bound=Message)


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """Where under config/ values are written: one in each file of `pattern`, or the list `rows` of one file.

    `shared` are fields that stand beside the rows for all of them, with what they are where nothing is said; `sample`
    is a row for whatever has none of its own, and to be copied. A row is called by its `label`, else by its place.
    """

    pattern: str
    rows: str | None = None
    shared: Mapping[str, str] = field(default_factory=dict)
    sample: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigKind(Generic[C]):
    """`key` is where a value stands in KV `config`; its first part is the `family`. Of a kind whose versions are kept,
    each stays readable under `<key>.<version>`. `changed` is the subject of its event by id, where that is its own."""

    family: str
    model: type[C]
    key: Callable[[C], str]
    files: ConfigFiles | None = None
    changed: Callable[[Key], str] | None = None
    versions_kept: bool = False

    def keys(self, value: C) -> tuple[str, ...]:
        """The keys under which a value may stand; the first is the one that holds."""
        key = self.key(value)
        return (key, f"{key}.{getattr(value, 'version', 0)}") if self.versions_kept else (key,)

    def is_copy(self, key: str) -> bool:
        """Whether it is the key of a kept version."""
        return self.versions_kept and key.count(".") > 1


VENUE = ConfigKind(
    "venue",
    VenueSymbol,
    lambda one: subjects.venue_key(one.venue, one.symbol),
    ConfigFiles("venues/paper.yaml", rows="symbols", shared={"venue": "paper"}, sample=ANY_SYMBOL),
)
STRATEGY = ConfigKind(
    "strategy",
    TradingStrategy,
    lambda one: subjects.strategy_key(one.strategy_id),
    ConfigFiles("strategies/*.yaml"),
    changed=subjects.strategy_changed,
    versions_kept=True,
)
ACCOUNT = ConfigKind(
    "account",
    Account,
    lambda one: subjects.account_key(one.account_id),
    ConfigFiles("accounts.yaml", rows="accounts", label="account_id"),
    changed=subjects.account_changed,
)
EXPERIMENT = ConfigKind("experiment", Experiment, lambda one: subjects.experiment_key(one.name))
MODELS = ConfigKind("models", ModelsConfig, lambda _: MODELS_KEY)
TRIAL = ConfigKind("trial", ModelsTrial, lambda _: TRIAL_KEY)
KINDS: tuple[ConfigKind[Any], ...] = (VENUE, STRATEGY, ACCOUNT, EXPERIMENT, MODELS, TRIAL)
_BY_FAMILY = {kind.family: kind for kind in KINDS}
_BY_MODEL = {kind.model: kind for kind in KINDS}


def kind_at(key: str) -> ConfigKind[Any] | None:
    """The kind whose values stand under such a key."""
    return _BY_FAMILY.get(key.partition(".")[0])


def kind_of(value: C) -> ConfigKind[C]:
    return _BY_MODEL[type(value)]


def event_at(key: str) -> tuple[str, str]:
    """What a change of the key is about, and the subject of its event."""
    kind, (_, _, name) = kind_at(key), key.partition(".")
    if kind is not None and kind.changed is not None and is_key(name):
        return kind.family, kind.changed(name)
    return "config", subjects.config_changed(key)
