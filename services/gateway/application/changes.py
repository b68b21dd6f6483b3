"""Changes of configuration: who changes, who may, and how refusals leave."""

from typing import TypeVar

from libs.configuration import configuration
from libs.configuration.configuration import By, ConfigEntry, ConfigRefusal
from libs.records.keys import ApiKey
from libs.schemas.strategy import TradingStrategy
from services.gateway.domain.configuring import refusal_of
from services.gateway.domain.problems import FieldProblem, RequestRefused, not_found
from services.gateway.ports import Deps

T = TypeVar("T")


def by(key: ApiKey, reason: str) -> By:
    return By(key.signature, reason)


def granted(made: T | configuration.Refused, under: str = "") -> T:
    """What was made; raises the refusal as a problem. `under` is where in the body the fields are that were given."""
    if not isinstance(made, configuration.Refused):
        return made
    if made.why is ConfigRefusal.VERSION:
        raise refusal_of(
            made.why.value, made.message, (FieldProblem(field="header.If-Match", message=made.message, code="version"),)
        )
    place = f"body.{under}." if under else "body."
    wrong = (
        FieldProblem(field=f"{place}{one.path}".rstrip("."), message=one.message, code=one.code) for one in made.fields
    )
    raise refusal_of(made.why.value, made.message, tuple(wrong))


def refused_as_contested(message: str) -> RequestRefused:
    return refusal_of(ConfigRefusal.CONTESTED.value, message)


def may_change(deps: Deps, key: ApiKey, strategy_id: str) -> None:
    """A strategy is shared: who changes it must see every account that has it."""
    users = [one.account_id for one in deps.accounts.accounts() if one.strategy_id == strategy_id]
    if not all(key.sees(account_id) for account_id in users):
        message = f"{strategy_id} is the strategy of accounts that this key does not see: make one under another id"
        raise refusal_of(ConfigRefusal.IN_USE.value, message)


def found_strategy(
    strategy_id: str, made: ConfigEntry[TradingStrategy] | configuration.Refused
) -> ConfigEntry[TradingStrategy]:
    if isinstance(made, configuration.Refused) and made.why is ConfigRefusal.MISSING:
        raise not_found(f"strategy {strategy_id[:32]}")
    return granted(made)
