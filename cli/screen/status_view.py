"""What runs and how it is doing, below each other."""

from rich.console import Group, RenderableType
from rich.text import Text

from cli.ask.status import Status
from cli.screen.parts import account_table, header, price_table, standing_lines, titled_table, worker_table


def render(status: Status, width: int) -> RenderableType:
    """All of it, below each other."""
    board, run = status.board, status.run
    servers = titled_table("server", "version", "url", "source")
    for one in board.servers:
        servers.add_row(one.name, one.version, one.url, one.source)
    consumers = titled_table("consumer", "waiting")
    for name, lag in sorted(status.lags.items()):
        if lag or not name.startswith("executor-p"):
            consumers.add_row(name, str(lag))
    parts: list[RenderableType] = [
        header(board, live=False),
        Text(
            f"perpetua {run.command}, process {run.pid}, {run.phase}; "
            f"API {board.gateway_url}, key in {board.api_key_file}; "
            f"address for publishers in {status.publisher_url}"
        ),
        Text(),
        servers,
        Text(),
        worker_table(board.workers),
        Text(),
    ]
    if status.bus_error:
        return Group(*parts, Text(status.bus_error, "bold red"))
    return Group(
        *parts,
        consumers,
        Text(),
        price_table(board.prices, width),
        Text(),
        account_table(board.accounts),
        *standing_lines(board.accounts),
    )
