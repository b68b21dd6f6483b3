"""`perpetua mcp`: the API for assistants. It imports what it needs when it runs."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE


def serve_assistant(
    url: Annotated[
        str | None, typer.Option(help="Address of the gateway.", show_default="that of the run here")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File that holds the API key, over stdio.", show_default="the run's own")
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Over HTTP, each client with its own key; not stdio.")] = False,
    host: Annotated[str, typer.Option(help="With --http: where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="With --http: its port.")] = 8765,
    allow_control: Annotated[
        bool, typer.Option("--allow-control", help="Also ask for decisions, and take risk away by hand.")
    ] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Let an assistant ask why a trade was made: the reading half of the API over the Model Context Protocol."""
    try:
        from cli.assistant.server import serve_http, serve_stdio
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise CliError(f"{missing} is not installed", "run `make setup`, or install requirements/mcp.txt") from error
    from cli.ask.reaching import gateway_url, key_for

    place = gateway_url(url, state_dir)
    if http:
        if key_file is not None:
            raise CliError("--key-file is for stdio", "over HTTP each client sends its own key")
        typer.echo(f"MCP at http://{host}:{port}/mcp, for keys of {place}; Ctrl-C ends it")
        asyncio.run(serve_http(place, host, port, allow_control=allow_control))
        return
    if allow_control and key_file is None:
        raise CliError(
            "--allow-control wants a key of its own",
            "make one by `perpetua key create assistant --scopes read,decide,trade` and name its file by --key-file",
        )
    asyncio.run(serve_stdio(place, key_for(key_file, state_dir), allow_control=allow_control))
