"""`perpetua close`, `stop`, `target`, `cancel`: what takes risk away. Each imports what it needs when it runs."""

import asyncio
import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.decide import decide
from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

if TYPE_CHECKING:
    from cli.ask.acts import ActTold
    from libs.schemas.acts import Act

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")]
SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol of the position.")]
PriceArgument = Annotated[str, typer.Argument(metavar="PRICE", help="In quote currency.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it is kept with what was done.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
BY_HAND = "by hand, from the command line"


def add_to(app: typer.Typer, panel: str) -> None:
    for command in (close, stop, target, cancel, decide):
        app.command(rich_help_panel=panel)(command)


def close(
    account: AccountArgument,
    symbol: SymbolArgument,
    share: Annotated[str, typer.Option(help="How much of it, above 0 and up to 1: 0.5 is half.")] = "1",
    why: Why = BY_HAND,
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """Close a position at market, or a share of it. Exit code 3 where it is refused, 4 where it is not done yet."""
    part = _number("--share", share)
    if not 0 < part <= 1:
        raise CliError(f"a share of {share} is none", "it is above 0 and at most 1: 0.5 is half", 2)
    _position(account, {"kind": "close", "symbol": symbol, "share": part}, why, as_json, state_dir)


def stop(
    account: AccountArgument,
    symbol: SymbolArgument,
    price: PriceArgument,
    why: Why = BY_HAND,
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """Move the stop of a position towards the price. Exit code 3 where it is refused, 4 where it is not done yet."""
    act = {"kind": "stop", "symbol": symbol, "price": _number("PRICE", price)}
    _position(account, act, why, as_json, state_dir)


def target(
    account: AccountArgument,
    symbol: SymbolArgument,
    price: PriceArgument,
    why: Why = BY_HAND,
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """Set the target of a position. Exit code 3 where it is refused, 4 where it is not done yet."""
    act = {"kind": "target", "symbol": symbol, "price": _number("PRICE", price)}
    _position(account, act, why, as_json, state_dir)


def cancel(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="A resting entry, by its client_order_id.")],
    why: Why = BY_HAND,
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """Cancel a resting entry. Exit code 3 where it is refused, 4 where it is not done yet."""
    from cli.ask import acts
    from cli.ask.address import nats_url
    from libs.schemas.base import ORDER_ID

    if not ORDER_ID.fullmatch(order):
        raise CliError(f"{order[:40]!r} is no order", "an order's id has 32 digits and letters a to f", 2)
    _say(asyncio.run(acts.cancel(nats_url(state_dir), order, why)), as_json)


def _position(account: str, fields: dict[str, Any], why: str, as_json: bool, state_dir: Any) -> None:
    from cli.ask import acts
    from cli.ask.address import nats_url

    act = _act(fields)
    _say(asyncio.run(acts.act_on(nats_url(state_dir), account, act, why)), as_json)


def _act(fields: dict[str, Any]) -> "Act":
    from pydantic import TypeAdapter, ValidationError

    from libs.schemas.acts import Act
    from libs.schemas.symbols import canonical

    name = canonical(fields["symbol"])
    if name is None:
        raise CliError(f"{fields['symbol'][:40]!r} is no symbol", "such as BTCUSDT", 2)
    act: TypeAdapter[Act] = TypeAdapter(Act)
    try:
        return act.validate_python(fields | {"symbol": name})
    except ValidationError as error:
        raise CliError(str(error.errors()[0]["msg"]), "correct the figure", 2) from None


def _number(what: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise CliError(f"{what}: {text[:40]!r} is no number", "write it as 61250.5", 2) from None
    if not number.is_finite() or number <= 0:
        raise CliError(f"{what}: {text[:40]} is not above 0", "write it as 61250.5", 2)
    return number


def _say(told: "ActTold", as_json: bool) -> None:
    """One line of what happened; the exit code says whether it is done."""
    from cli.ask.acts import REFUSED, UNDER_WAY

    outcome = told.outcome
    if as_json:
        typer.echo(json.dumps(told.as_json()))
    if outcome is not None and outcome.result == "refused":
        raise CliError(f"refused: {outcome.message}", "nothing was changed", REFUSED)
    if outcome is None or outcome.result == "sent":
        said = outcome.message if outcome else "it is stored and will be carried out"
        raise CliError(f"not done yet: {said}", "is the executor running? see `perpetua status`", UNDER_WAY)
    if not as_json:
        typer.echo(f"{told.account_id}: {outcome.message} (within {told.seconds:.2f} s)")
