"""`perpetua account`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.config import AccountArg, AsJson, AtVersion, Why, on_desk, say_json
from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

if TYPE_CHECKING:
    from cli.ask.configuring import ConfigurationDesk
    from libs.configuration.configuration import ConfigEntry
    from libs.schemas.account import Account, AccountState

account_app = typer.Typer(help="Accounts: their limits, symbols and strategies.", no_args_is_help=True)


def say_account(made: "ConfigEntry[Account]") -> None:
    body = made.body
    typer.echo(f"{body.account_id}: version {body.version}, {body.status}, strategy {body.strategy_id}")
    for warning in made.warnings:
        typer.echo(f"note: {warning}")


@account_app.command("list")
def account_list(as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """All accounts as they are configured, and whether they trade: who is reducing or halted since when, and why."""
    from cli.project import place
    from libs.configuration.standing import told, way_back

    async def work(desk: "ConfigurationDesk") -> "list[tuple[Account, AccountState | None]]":
        return [(account, await desk.state(account.account_id)) for account in await desk.all_accounts()]

    found = on_desk(state_dir, work)
    if as_json:
        say_json([_listed(account, state) for account, state in found])
        return
    for account, state in found:
        typer.echo(
            f"{account.account_id:<20} {_standing(account, state):<8} {account.mode} on {account.venue}  "
            f"strategy {account.strategy_id:<14} leverage {account.leverage:f}  "
            f"position at most {account.max_position_size:f}  {','.join(account.symbols)}  v{account.version}"
        )
        if account.status != "active":
            typer.echo(f"  {account.status}: it opens nothing new; {_resumes(account, place(state_dir))}")
        if state is not None and state.trading_state != "active":
            typer.echo(f"  {told(state)}; {way_back(account.account_id, state.standing, place(state_dir))}")
    if not found:
        typer.echo("no accounts; `perpetua account add` makes one")


def _standing(account: "Account", state: "AccountState | None") -> str:
    """One word for what holds: what its configuration says where that is stricter than active, else its trading."""
    return account.status if account.status != "active" or state is None else state.trading_state


def _resumes(account: "Account", place: str) -> str:
    return f'`perpetua account resume {account.account_id} --why "…"{place}` lets it trade again'


def _listed(account: "Account", state: "AccountState | None") -> dict[str, Any]:
    standing = state.standing.model_dump(mode="json") if state is not None and state.standing is not None else None
    trading = state.trading_state if state is not None else None
    return {**account.model_dump(mode="json"), "trading_state": trading, "standing": standing}


@account_app.command("show")
def account_show(account: AccountArg, as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """One account: every field, and how its last changes came about."""
    from cli.ask.configuring import granted, history_lines
    from cli.errors import named
    from libs.schemas.subjects import account_key

    async def work(desk: "ConfigurationDesk") -> tuple[Any, list[str]]:
        found = granted(await desk.accounts.get(account)).body
        return found.model_dump(mode="json"), history_lines(await desk.history(account_key(named(account))))

    fields, lines = on_desk(state_dir, work)
    if as_json:
        say_json(fields)
        return
    for name, value in fields.items():
        typer.echo(f"{name:<30} {value if isinstance(value, str) else json.dumps(value)}")
    typer.echo("history, newest first:")
    for line in lines[:5]:
        typer.echo(f"  {line}")


@account_app.command("set")
def account_set(
    account: AccountArg,
    fields: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE...", help="leverage=5 symbols=BTCUSDT,ETHUSDT")],
    why: Why,
    at: AtVersion = None,
    state_dir: StateDir = STATE,
) -> None:
    """Change fields of an account; it holds from the next context on."""
    from cli.ask.configuring import by, fields_of, granted, merged

    async def work(desk: "ConfigurationDesk") -> "ConfigEntry[Account]":
        now = granted(await desk.accounts.get(account))
        wanted = merged(now.body, fields_of(fields))
        state = await desk.state(account)
        return granted(await desk.accounts.change(account, wanted, by(why), state=state, version=at))

    say_account(on_desk(state_dir, work))


@account_app.command("add")
def account_add(
    why: Why,
    account: Annotated[str | None, typer.Argument(metavar="[ACCOUNT]", show_default=False)] = None,
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FIELD=VALUE...",
            help="initial_balance=10000 strategy_id=swing symbols=BTCUSDT leverage=3 max_position_size=5000",
            show_default=False,
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A YAML file with the fields instead.", show_default=False)] = None,
    state_dir: StateDir = STATE,
) -> None:
    """Make an account, from fields or from a file."""
    from cli.ask.configuring import by, fields_of, granted, read_account
    from cli.files import parse
    from libs.schemas.account import Account

    if file is None and account is None:
        raise CliError("an account needs an id", "write `perpetua account add ID FIELD=VALUE...`, or --file FILE")
    if file is not None:
        made = read_account(file)
    else:
        values = {"account_id": account, "name": account} | fields_of(fields or [])
        made = parse(Account, values, Path(f"account {account}"))

    async def work(desk: "ConfigurationDesk") -> "ConfigEntry[Account]":
        return granted(await desk.accounts.add(made, by(why)))

    say_account(on_desk(state_dir, work))


@account_app.command("pause")
def account_pause(account: AccountArg, why: Why, state_dir: StateDir = STATE) -> None:
    """Open nothing new; what is open stays protected and may be closed."""
    _set_status(state_dir, account, "paused", why)


@account_app.command("resume")
def account_resume(account: AccountArg, why: Why, state_dir: StateDir = STATE) -> None:
    """Let a paused account open positions again."""
    _set_status(state_dir, account, "active", why)


def _set_status(state_dir: Path, account: str, status: Any, why: str) -> None:
    from cli.ask.configuring import by, granted

    async def work(desk: "ConfigurationDesk") -> "ConfigEntry[Account]":
        return granted(await desk.accounts.set_status(account, status, by(why)))

    say_account(on_desk(state_dir, work))
