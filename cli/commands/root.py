"""The commands. Each imports what it needs when it runs: `perpetua --version` shall be quick."""

from typing import Annotated

import typer

from cli.commands import acts
from cli.commands.account import account_app
from cli.commands.archive import archive_app
from cli.commands.config import config_app
from cli.commands.context import context_app
from cli.commands.control import control
from cli.commands.data import data_app
from cli.commands.dead import dead_app
from cli.commands.deployment import make_secrets, provision
from cli.commands.experiment import experiment_app, show_usage
from cli.commands.flatten import flatten
from cli.commands.history import add_to as add_history
from cli.commands.init import init
from cli.commands.keeping import backup, reset, restore
from cli.commands.key import key_app
from cli.commands.look import doctor, market, page, schemas, status
from cli.commands.mcp import serve_assistant
from cli.commands.models import models_app
from cli.commands.notify import notify_app
from cli.commands.prompt import prompt_app
from cli.commands.publish import publish_app
from cli.commands.replay import replay_app
from cli.commands.running import demo, down, up
from cli.commands.seals import seals_app
from cli.commands.servers import servers_app
from cli.commands.simulate import simulate
from cli.commands.strategy import strategy_app
from cli.commands.verify import verify

app = typer.Typer(
    help="Event-driven decision engine for perpetual futures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
RUN, LOOK, TRADE, MODELS = "Run", "Look", "Trade", "Models"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"perpetua {version('perpetua')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    return


app.command(rich_help_panel=RUN)(demo)
app.command(rich_help_panel=RUN)(up)
app.command(rich_help_panel=RUN)(down)
app.command(rich_help_panel=RUN)(init)
app.command(rich_help_panel=RUN)(backup)
app.command(rich_help_panel=RUN)(restore)
app.command(rich_help_panel=RUN)(reset)
app.command(rich_help_panel=TRADE)(flatten)
app.command(rich_help_panel=LOOK)(status)
app.command(rich_help_panel=LOOK)(page)
app.command(rich_help_panel=LOOK)(market)
app.command(rich_help_panel=LOOK)(doctor)
app.command(rich_help_panel=LOOK)(schemas)
app.command("secrets", rich_help_panel=RUN)(make_secrets)
app.command("provision", rich_help_panel=RUN)(provision)
app.add_typer(servers_app, name="servers", rich_help_panel=RUN)
add_history(app, LOOK)
app.command(rich_help_panel=LOOK)(verify)
app.command(rich_help_panel=LOOK)(simulate)
app.command("mcp", rich_help_panel=LOOK)(serve_assistant)
app.add_typer(replay_app, name="replay", rich_help_panel=RUN)
app.add_typer(data_app, name="data", rich_help_panel=RUN)
app.add_typer(dead_app, name="dead", rich_help_panel=LOOK)
app.add_typer(archive_app, name="archive", rich_help_panel=LOOK)
app.add_typer(seals_app, name="seals", rich_help_panel=LOOK)
app.add_typer(publish_app, name="publish", rich_help_panel=LOOK)
app.add_typer(notify_app, name="notify", rich_help_panel=LOOK)
app.command("control", rich_help_panel=TRADE)(control)
acts.add_to(app, TRADE)
app.add_typer(account_app, name="account", rich_help_panel=TRADE)
app.add_typer(strategy_app, name="strategy", rich_help_panel=TRADE)
app.add_typer(config_app, name="config", rich_help_panel=TRADE)
app.add_typer(key_app, name="key", rich_help_panel=TRADE)
app.add_typer(models_app, name="models", rich_help_panel=MODELS)
app.add_typer(context_app, name="context", rich_help_panel=MODELS)
app.add_typer(prompt_app, name="prompt", rich_help_panel=MODELS)
app.add_typer(experiment_app, name="experiment", rich_help_panel=MODELS)
app.command("usage", rich_help_panel=MODELS)(show_usage)
