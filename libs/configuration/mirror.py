"""Live copies of configuration and account states."""

from collections.abc import Callable, Mapping
from typing import Any

from libs.runtime.bus import Bus
from libs.runtime.mirror import KvMirror, Misplaced
from libs.schemas.account import Account, AccountState
from libs.schemas.experiment import Experiment
from libs.schemas.kinds import ConfigValue, kind_at
from libs.schemas.models import MODELS_KEY, ModelsConfig
from libs.schemas.names import is_key, key_of
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import KV_CONFIG, KV_STATE, account_key, strategy_key, venue_key
from libs.schemas.venue import ANY_SYMBOL, VenueSymbol

Place = tuple[dict[Any, Any], object]  # a list, and the name in it


def _config(key: str, data: bytes) -> ConfigValue | None:
    kind = kind_at(key)
    if kind is None:
        return None
    value: ConfigValue = kind.model.model_validate_json(data)
    if key not in kind.keys(value):
        raise Misplaced(f"it names itself {kind.key(value)}: write it under that key, or correct its id")
    return value


class Lists:
    """Values of the bucket by kind, under the names that they go by."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.strategies: dict[str, TradingStrategy] = {}
        self.venue_symbols: dict[tuple[str, str], VenueSymbol] = {}
        self.experiments: dict[str, Experiment] = {}
        self._places: dict[str, Place] = {}

    def put(self, key: str, value: ConfigValue | None) -> None:
        """Take in what stands under a key now; None where nothing does."""
        before, place = self._places.pop(key, None), self._place(key, value)
        if before is not None and (place is None or before[1] != place[1]):
            before[0].pop(before[1], None)
        if place is not None:
            self._places[key] = place
            place[0][place[1]] = value

    def _place(self, key: str, value: ConfigValue | None) -> "Place | None":
        match value:
            case Account():
                return self.accounts, value.account_id
            case TradingStrategy() if key == strategy_key(key_of(value.strategy_id)):
                return self.strategies, value.strategy_id
            case VenueSymbol():
                return self.venue_symbols, (value.venue, value.symbol)
            case Experiment():
                return self.experiments, value.name
        return None


class ConfigMirror:
    """Accounts, strategies, venue symbols, experiments and the models that decide, as configured now.

    What it lists is kept, not made at each look: a mapping that somebody holds changes with the configuration.
    """

    def __init__(self, bus: Bus, *, on_change: Callable[[str, ConfigValue | None], None] | None = None) -> None:
        self._mirror: KvMirror[ConfigValue | None] = KvMirror(bus, KV_CONFIG.name, _config, on_change=self._changed)
        self._told = on_change
        self._lists = Lists()
        self._unlisted: dict[tuple[str, str], tuple[VenueSymbol, VenueSymbol]] = {}

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await self._mirror.stop()

    def _changed(self, key: str, value: ConfigValue | None) -> None:
        self._lists.put(key, value)
        if self._told is not None:
            self._told(key, value)

    @property
    def accounts(self) -> Mapping[str, Account]:
        return self._lists.accounts

    @property
    def strategies(self) -> Mapping[str, TradingStrategy]:
        """The active version of each strategy."""
        return self._lists.strategies

    @property
    def venue_symbols(self) -> Mapping[tuple[str, str], VenueSymbol]:
        return self._lists.venue_symbols

    @property
    def experiments(self) -> Mapping[str, Experiment]:
        return self._lists.experiments

    @property
    def models(self) -> ModelsConfig | None:
        """The chain of models that was switched to while running, if any."""
        value = self._mirror.get(MODELS_KEY)
        return value if isinstance(value, ModelsConfig) else None

    def account(self, account_id: str) -> Account | None:
        value = self._mirror.get(account_key(account_id)) if is_key(account_id) else None
        return value if isinstance(value, Account) else None

    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None:
        value = self._mirror.get(strategy_key(strategy_id, version)) if is_key(strategy_id) else None
        return value if isinstance(value, TradingStrategy) else None

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        """The rules of a symbol; where it has none of its own, those that the venue has for any."""
        value = self._mirror.get(venue_key(venue, symbol))
        if isinstance(value, VenueSymbol):
            return value
        shared = self._mirror.get(venue_key(venue, ANY_SYMBOL))
        if not isinstance(shared, VenueSymbol):
            return None
        known = self._unlisted.get((venue, symbol))
        if known is None or known[0] is not shared:
            known = self._unlisted[venue, symbol] = shared, shared.model_copy(update={"symbol": symbol})
        return known[1]


def _state(key: str, data: bytes) -> AccountState:
    state = AccountState.model_validate_json(data)
    if state.account_id != key:
        raise Misplaced(f"it is the state of {state.account_id}: another account must not be told it")
    return state


class StateMirror:
    """Last known state of each account."""

    def __init__(self, bus: Bus, *, on_change: Callable[[str, AccountState | None], None] | None = None) -> None:
        self._mirror: KvMirror[AccountState] = KvMirror(bus, KV_STATE.name, _state, on_change=on_change)

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await self._mirror.stop()

    def get(self, account_id: str) -> AccountState | None:
        return self._mirror.get(account_id)

    def items(self) -> Mapping[str, AccountState]:
        return self._mirror.items()


class MirroredAccounts:
    """Accounts with their states and strategies: both copies as one."""

    def __init__(self, config: ConfigMirror, states: StateMirror) -> None:
        self._config = config
        self._states = states

    def account(self, account_id: str) -> Account | None:
        return self._config.account(account_id)

    def accounts(self) -> list[Account]:
        return list(self._config.accounts.values())

    def state(self, account_id: str) -> AccountState | None:
        return self._states.get(account_id)

    def strategy(self, strategy_id: str) -> TradingStrategy | None:
        return self._config.strategy(strategy_id)

    def strategies(self) -> list[TradingStrategy]:
        return list(self._config.strategies.values())

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        return self._config.venue_symbol(venue, symbol)

    def models(self) -> ModelsConfig | None:
        return self._config.models
