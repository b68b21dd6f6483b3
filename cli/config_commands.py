"""`perpetua account`, `perpetua strategy`, `perpetua config`. Each command imports what it needs when it runs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CliError
from cli.options import StateDir
from cli.project import STATE

if TYPE_CHECKING:
    from cli.configuring import Desk
    from libs.runtime.configuration import Stored
    from libs.schemas.account import Account
    from libs.schemas.strategy import TradingStrategy

account_app = typer.Typer(help="Accounts: their limits, symbols and strategies.", no_args_is_help=True)
strategy_app = typer.Typer(help="Strategies and their versions.", no_args_is_help=True)
config_app = typer.Typer(help="Everything that is configured, and its history.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it is kept with the change.")]
AtVersion = Annotated[
    int | None, typer.Option("--at", min=1, help="Only if it is at this version.", show_default=False)
]
AccountArg = Annotated[str, typer.Argument(metavar="ACCOUNT")]
StrategyArg = Annotated[str, typer.Argument(metavar="STRATEGY")]


def _on_desk(state_dir: Path, work: Callable[["Desk"], Awaitable[Any]]) -> Any:
    from cli.address import nats_url
    from cli.configuring import desk

    async def run() -> Any:
        async with desk(nats_url(state_dir)) as made:
            return await work(made)

    return asyncio.run(run())


def _say_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _say_account(made: "Stored[Account]") -> None:
    body = made.body
    typer.echo(f"{body.account_id}: version {body.version}, {body.status}, strategy {body.strategy_id}")
    for warning in made.warnings:
        typer.echo(f"note: {warning}")


def _say_strategy(made: "Stored[TradingStrategy]") -> None:
    typer.echo(f"{made.body.strategy_id}: version {made.body.version}; it holds from the next context on")


@account_app.command("list")
def account_list(as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """All accounts as they are configured."""
    found = _on_desk(state_dir, lambda desk: desk.all_accounts())
    if as_json:
        _say_json([one.model_dump(mode="json") for one in found])
        return
    for one in found:
        typer.echo(
            f"{one.account_id:<20} {one.status:<7} {one.mode} on {one.venue}  strategy {one.strategy_id:<14} "
            f"leverage {one.leverage:f}  position at most {one.max_position_size:f}  {','.join(one.symbols)}  "
            f"v{one.version}"
        )
    if not found:
        typer.echo("no accounts; `perpetua account add` makes one")


@account_app.command("show")
def account_show(account: AccountArg, as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """One account: every field, and how its last changes came about."""
    from cli.configuring import granted, history_lines
    from libs.schemas.subjects import account_key

    async def work(desk: "Desk") -> tuple[Any, list[str]]:
        found = granted(await desk.accounts.get(account)).body
        return found.model_dump(mode="json"), history_lines(await desk.history(account_key(account)))

    fields, lines = _on_desk(state_dir, work)
    if as_json:
        _say_json(fields)
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
    from cli.configuring import by, fields_of, granted, merged

    async def work(desk: "Desk") -> "Stored[Account]":
        now = granted(await desk.accounts.get(account))
        wanted = merged(now.body, fields_of(fields))
        state = await desk.state(account)
        return granted(await desk.accounts.change(account, wanted, by(why), state=state, version=at))

    _say_account(_on_desk(state_dir, work))


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
    from cli.configuring import by, fields_of, granted, read_account
    from cli.seed import parse
    from libs.schemas.account import Account

    if file is None and account is None:
        raise CliError("an account needs an id", "write `perpetua account add ID FIELD=VALUE...`, or --file FILE")
    if file is not None:
        made = read_account(file)
    else:
        values = {"account_id": account, "name": account} | fields_of(fields or [])
        made = parse(Account, values, Path(f"account {account}"))

    async def work(desk: "Desk") -> "Stored[Account]":
        return granted(await desk.accounts.add(made, by(why)))

    _say_account(_on_desk(state_dir, work))


@account_app.command("pause")
def account_pause(account: AccountArg, why: Why, state_dir: StateDir = STATE) -> None:
    """Open nothing new; what is open stays protected and may be closed."""
    _set_status(state_dir, account, "paused", why)


@account_app.command("resume")
def account_resume(account: AccountArg, why: Why, state_dir: StateDir = STATE) -> None:
    """Let a paused account open positions again."""
    _set_status(state_dir, account, "active", why)


def _set_status(state_dir: Path, account: str, status: Any, why: str) -> None:
    from cli.configuring import by, granted

    async def work(desk: "Desk") -> "Stored[Account]":
        return granted(await desk.accounts.set_status(account, status, by(why)))

    _say_account(_on_desk(state_dir, work))


@strategy_app.command("list")
def strategy_list(as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """The active version of each strategy, and who uses it."""

    async def work(desk: "Desk") -> tuple[list["TradingStrategy"], dict[str, list[str]]]:
        users: dict[str, list[str]] = {}
        for one in await desk.all_accounts():
            users.setdefault(one.strategy_id, []).append(one.account_id)
        return await desk.all_strategies(), users

    found, users = _on_desk(state_dir, work)
    if as_json:
        _say_json([one.model_dump(mode="json") | {"accounts": users.get(one.strategy_id, [])} for one in found])
        return
    for one in found:
        used = ",".join(users.get(one.strategy_id, [])) or "-"
        typer.echo(
            f"{one.strategy_id:<20} v{one.version:<4} {one.strategy_type:<12} {'/'.join(one.timeframe_preference):<12} "
            f"risk {one.risk_parameters.max_risk_per_trade:g}%  used by {used}  {one.description}"
        )


@strategy_app.command("show")
def strategy_show(
    strategy: StrategyArg,
    version: Annotated[int | None, typer.Option(min=1, help="An older one.", show_default="the active one")] = None,
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """One strategy whole, as YAML that `strategy add` takes."""
    from cli.configuring import granted

    async def work(desk: "Desk") -> dict[str, Any]:
        found = granted(await desk.strategies.get(strategy, version)).body
        return found.model_dump(mode="json", exclude_none=not as_json)

    fields = _on_desk(state_dir, work)
    if as_json:
        _say_json(fields)
        return
    import yaml

    typer.echo(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=120).rstrip())


@strategy_app.command("add")
def strategy_add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML, as in config/strategies/.")],
    why: Why,
    replace: Annotated[bool, typer.Option("--replace", help="A new version of one that is there.")] = False,
    at: AtVersion = None,
    state_dir: StateDir = STATE,
) -> None:
    """Store a strategy, or with --replace a new version of it. It is checked and its template tried before."""
    from cli.configuring import by, granted, read_strategy

    wanted = read_strategy(file)

    async def work(desk: "Desk") -> "Stored[TradingStrategy]":
        if replace:
            return granted(await desk.strategies.change(wanted.strategy_id, wanted.model_dump(), by(why), version=at))
        return granted(await desk.strategies.add(wanted, by(why)))

    _say_strategy(_on_desk(state_dir, work))


@strategy_app.command("assign")
def strategy_assign(
    account: AccountArg, strategy: StrategyArg, why: Why, at: AtVersion = None, state_dir: StateDir = STATE
) -> None:
    """Make it the account's one strategy, from its next context on."""
    from cli.configuring import by, granted

    async def work(desk: "Desk") -> "Stored[Account]":
        state = await desk.state(account)
        return granted(await desk.accounts.assign(account, strategy, by(why), state=state, version=at))

    _say_account(_on_desk(state_dir, work))


@strategy_app.command("preview")
def strategy_preview(
    strategy: Annotated[str | None, typer.Argument(metavar="[STRATEGY]", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option(help="A file that is not stored yet.", show_default=False)] = None,
    account: Annotated[str | None, typer.Option(help="As for this account.", show_default=False)] = None,
    state_dir: StateDir = STATE,
) -> None:
    """The template as a model would read it, on a made-up market. With --file nothing needs to run."""
    from cli.configuring import granted, previewed, read_strategy

    if (file is None) == (strategy is None):
        raise CliError("name one strategy to preview", "write its id, or --file FILE")
    if file is not None and account is None:
        from libs.runtime.strategies import Preview
        from libs.runtime.templates import JinjaTemplates

        texts = previewed(Preview(JinjaTemplates()), read_strategy(file), None)
    else:

        async def work(desk: "Desk") -> list[str]:
            wanted = read_strategy(file) if file else granted(await desk.strategies.get(strategy or "")).body
            known = granted(await desk.accounts.get(account)).body if account else None
            return previewed(desk.strategies, wanted, known)

        texts = _on_desk(state_dir, work)
    for text in texts:
        typer.echo(text)


@strategy_app.command("delete")
def strategy_delete(strategy: StrategyArg, why: Why, at: AtVersion = None, state_dir: StateDir = STATE) -> None:
    """Remove a strategy that no account uses. Its versions stay readable."""
    from cli.configuring import by, granted

    async def work(desk: "Desk") -> None:
        granted(await desk.strategies.delete(strategy, by(why), version=at))

    _on_desk(state_dir, work)
    typer.echo(f"{strategy} is deleted; its versions stay readable by `strategy show --version`")


@strategy_app.command("history")
def strategy_history(strategy: StrategyArg, as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """Who changed it, when, why and how, newest first."""
    from libs.schemas.subjects import strategy_key

    _say_history(state_dir, strategy_key(strategy), as_json)


@config_app.command("list")
def config_list(
    prefix: Annotated[str, typer.Argument(help="Only keys that begin so, e.g. account.")] = "",
    state_dir: StateDir = STATE,
) -> None:
    """All keys of the configuration."""

    async def work(desk: "Desk") -> list[str]:
        return sorted(key for key in await desk.store.present("") if key.startswith(prefix))

    for key in _on_desk(state_dir, work):
        typer.echo(key)


@config_app.command("history")
def config_history(
    key: Annotated[str, typer.Argument(metavar="KEY", help="e.g. account.scalping")],
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """The last 64 writes of a key, newest first; older ones are in the audit trail."""
    _say_history(state_dir, key, as_json)


def _say_history(state_dir: Path, key: str, as_json: bool) -> None:
    from cli.configuring import history_json, history_lines

    found = _on_desk(state_dir, lambda desk: desk.history(key))
    if as_json:
        _say_json(history_json(found))
        return
    for line in history_lines(found):
        typer.echo(line)
