"""`perpetua strategy`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.account import say_account
from cli.commands.config import AccountArg, AsJson, AtVersion, Why, on_desk, say_history, say_json
from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

if TYPE_CHECKING:
    from cli.ask.configuring import ConfigurationDesk
    from libs.configuration.configuration import ConfigEntry
    from libs.schemas.account import Account
    from libs.schemas.strategy import TradingStrategy

strategy_app = typer.Typer(help="Strategies and their versions.", no_args_is_help=True)

StrategyArg = Annotated[str, typer.Argument(metavar="STRATEGY")]


def _say_strategy(made: "ConfigEntry[TradingStrategy]") -> None:
    typer.echo(f"{made.body.strategy_id}: version {made.body.version}; it holds from the next context on")


@strategy_app.command("list")
def strategy_list(as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """The active version of each strategy, and who uses it."""

    async def work(desk: "ConfigurationDesk") -> tuple[list["TradingStrategy"], dict[str, list[str]]]:
        users: dict[str, list[str]] = {}
        for one in await desk.all_accounts():
            users.setdefault(one.strategy_id, []).append(one.account_id)
        return await desk.all_strategies(), users

    found, users = on_desk(state_dir, work)
    if as_json:
        say_json([one.model_dump(mode="json") | {"accounts": users.get(one.strategy_id, [])} for one in found])
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
    from cli.ask.configuring import granted

    async def work(desk: "ConfigurationDesk") -> dict[str, Any]:
        found = granted(await desk.strategies.get(strategy, version)).body
        return found.model_dump(mode="json", exclude_none=not as_json)

    fields = on_desk(state_dir, work)
    if as_json:
        say_json(fields)
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
    from cli.ask.configuring import by, granted, read_strategy

    wanted = read_strategy(file)

    async def work(desk: "ConfigurationDesk") -> "ConfigEntry[TradingStrategy]":
        if replace:
            return granted(await desk.strategies.change(wanted.strategy_id, wanted.model_dump(), by(why), version=at))
        return granted(await desk.strategies.add(wanted, by(why)))

    _say_strategy(on_desk(state_dir, work))


@strategy_app.command("assign")
def strategy_assign(
    account: AccountArg, strategy: StrategyArg, why: Why, at: AtVersion = None, state_dir: StateDir = STATE
) -> None:
    """Make it the account's one strategy, from its next context on."""
    from cli.ask.configuring import by, granted

    async def work(desk: "ConfigurationDesk") -> "ConfigEntry[Account]":
        state = await desk.state(account)
        return granted(await desk.accounts.assign(account, strategy, by(why), state=state, version=at))

    say_account(on_desk(state_dir, work))


@strategy_app.command("preview")
def strategy_preview(
    strategy: Annotated[str | None, typer.Argument(metavar="[STRATEGY]", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option(help="A file that is not stored yet.", show_default=False)] = None,
    account: Annotated[str | None, typer.Option(help="As for this account.", show_default=False)] = None,
    state_dir: StateDir = STATE,
) -> None:
    """The template as a model would read it, on a made-up market. With --file nothing needs to run."""
    from cli.ask.configuring import granted, previewed, read_strategy

    if (file is None) == (strategy is None):
        raise CliError("name one strategy to preview", "write its id, or --file FILE")
    if file is not None and account is None:
        from libs.configuration.strategies import Preview
        from libs.configuration.templates import JinjaTemplates

        texts = previewed(Preview(JinjaTemplates()), read_strategy(file), None)
    else:

        async def work(desk: "ConfigurationDesk") -> list[str]:
            wanted = read_strategy(file) if file else granted(await desk.strategies.get(strategy or "")).body
            known = granted(await desk.accounts.get(account)).body if account else None
            return previewed(desk.strategies, wanted, known)

        texts = on_desk(state_dir, work)
    for text in texts:
        typer.echo(text)


@strategy_app.command("delete")
def strategy_delete(strategy: StrategyArg, why: Why, at: AtVersion = None, state_dir: StateDir = STATE) -> None:
    """Remove a strategy that no account uses. Its versions stay readable."""
    from cli.ask.configuring import by, granted

    async def work(desk: "ConfigurationDesk") -> None:
        granted(await desk.strategies.delete(strategy, by(why), version=at))

    on_desk(state_dir, work)
    typer.echo(f"{strategy} is deleted; its versions stay readable by `strategy show --version`")


@strategy_app.command("history")
def strategy_history(strategy: StrategyArg, as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """Who changed it, when, why and how, newest first."""
    from cli.errors import named
    from libs.schemas.subjects import strategy_key

    say_history(state_dir, strategy_key(named(strategy)), as_json)
