"""`perpetua control`: what accounts may do, within a second."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

if TYPE_CHECKING:
    from cli.ask.controls import Told


class TradingChoice(StrEnum):
    """What an account may do."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"
    FLATTEN = "flatten"


def control(
    state: Annotated[TradingChoice, typer.Argument(help="flatten closes everything at market and ends halted.")],
    why: Annotated[str, typer.Option("--why", help="The reason; it is kept with the change.")],
    account: Annotated[str | None, typer.Option(help="One account.", show_default=False)] = None,
    all_accounts: Annotated[bool, typer.Option("--all", help="Every account, those made later included.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Let accounts trade (active), only close (reducing, halted), or close everything now. Exits are always allowed."""
    import asyncio

    from cli.ask.address import nats_url
    from cli.ask.controls import send
    from libs.schemas.names import RESERVED
    from libs.schemas.subjects import ALL_ACCOUNTS

    if all_accounts == (account is not None):
        raise CliError("say what to control", "add --account X, or --all")
    if account is not None and account.lower() in RESERVED:
        raise CliError(f"{account} is no account", "--all means every account")
    told = asyncio.run(send(nats_url(state_dir), ALL_ACCOUNTS if all_accounts else str(account), state.value, why))
    _say(state, told)


def _say(state: TradingChoice, told: "Told") -> None:
    typer.echo(f"{state.value}: {len(told.done)} accounts within {told.seconds:.2f} s")
    if told.waiting:
        raise CliError(
            f"not carried out yet: {', '.join(told.waiting)}",
            "the control is stored and will be; is the executor running? see `perpetua status`",
        )
