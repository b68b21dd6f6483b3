"""Write a configuration of one's own, by questions or options."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE, StateFolder, place, shown

if TYPE_CHECKING:
    from cli.run.first import Offer

T = TypeVar("T")


def init(
    symbols: Annotated[str | None, typer.Option(help="Comma-separated, e.g. BTCUSDT,ETHUSDT.")] = None,
    balance: Annotated[str | None, typer.Option(help="Paper dollars to begin with.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Name of a strategy in config/strategies.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of a model in config/models.yaml.")] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="File with the model's key; - is standard input. Never an option: others see it."),
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Address of your own server, for openai-compatible.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write anew what is there already.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Write a configuration of your own into the state folder, and say what each line means. It asks for what no option
    says."""
    from cli.run.first import Offer, Wanted, check_place, write

    state, offer = StateFolder(state_dir.resolve()), Offer()
    check_place(state, replace=replace)
    chosen = answered("symbols", symbols, offer.usual_symbols, offer.read_symbols, ", ".join(offer.symbols))
    money = answered("balance", balance, "10000", offer.read_balance, "paper dollars")
    told = {name: one.description for name, one in offer.strategies.items()}
    plan = answered("strategy", strategy, "scalping", offer.read_strategy, *(f"{k}: {v}" for k, v in told.items()))
    who, name = answered("model", model, "builtin/trend", offer.read_model, ", ".join(offer.catalogue.entries))
    variables = _variables(offer, who.provider, name, key_file, base_url)
    write(state, Wanted("mine", chosen, money, plan, who, name, variables), replace=replace)
    _explain(state, name, variables)


def answered(what: str, given: str | None, usual: str, read: Callable[[str], T], *choices: str) -> T:
    """An option's value, else what is typed, else what is usual. Only who types is asked again."""
    if given is not None or not sys.stdin.isatty():
        return read(usual if given is None else given)
    for line in choices:
        typer.echo(f"  {line}")
    while True:
        try:
            return read(typer.prompt(what, default=usual))
        except CliError as error:
            typer.echo(f"{error.message}: {error.hint}")


def _variables(
    offer: "Offer", provider: str, model: str, key_file: Path | None, base_url: str | None
) -> dict[str, str]:
    """What is to be kept of keys and addresses; a key that the environment has stays there. CliError for a key that is
    refused."""
    import os

    from cli.run.first import BASE_URL, KEY_OF, try_key

    variable = KEY_OF.get(provider)
    if variable is None:
        if key_file is not None or base_url is not None:
            raise CliError(f"{model} needs no key and no address", "leave --key-file and --base-url out")
        return {}
    kept: dict[str, str] = {}
    if provider == "openai-compatible":
        usual = os.environ.get(BASE_URL) or "http://127.0.0.1:11434/v1"
        kept[BASE_URL] = answered("address", base_url, usual, offer.read_base_url, "where your server answers")
    elif base_url is not None:
        raise CliError("--base-url is for openai-compatible models", f"leave it out for {model}")
    while True:
        key = _key(variable, key_file)
        finding = try_key(provider, model, key, kept.get(BASE_URL))
        typer.echo(finding.line())
        if finding.level != "fail":
            return {**kept, **({variable: key} if key else {})}
        if key_file is not None or not sys.stdin.isatty():
            raise CliError(f"{finding.found}; nothing was written", finding.todo)


def _key(variable: str, key_file: Path | None) -> str | None:
    """None where the environment has one that serves."""
    import os

    if key_file is None:
        if not sys.stdin.isatty():
            return None
        set_here = " (empty: the one of this environment)" if os.environ.get(variable) else ""
        typed: str = typer.prompt(f"{variable}{set_here}", default="", hide_input=True, show_default=False)
        return typed.strip() or None
    try:
        text = sys.stdin.read() if str(key_file) == "-" else key_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"--key-file: {key_file} cannot be read", "name a file that holds the key alone") from error
    words = text.split()
    if len(words) != 1:
        raise CliError(f"--key-file: {key_file} holds {len(words)} words", "name a file that holds the key alone")
    return words[0]


def _explain(state: StateFolder, model: str, variables: dict[str, str]) -> None:
    accounts = state.own_config / "accounts.yaml"
    typer.echo(f"\n{shown(accounts)}:\n")
    typer.echo(accounts.read_text())
    typer.echo(f"{shown(state.own_config / 'models.yaml')}: {model} decides (chain)")
    if variables:
        typer.echo(f"{shown(state.variables)}: {', '.join(variables)}; only you can read it")
    typer.echo(f"{shown(state.own_config)} also holds strategies/, venues/ and notifications.yaml: yours now")
    if state.seeded.exists():
        typer.echo("what has run here before goes on beside it: `perpetua account list`; `perpetua reset` starts over")
    slow = " --speed 1" if variables else ""
    typer.echo(f"next: `perpetua demo{slow}{place(state.folder)}`, or `perpetua doctor{place(state.folder)}`")
