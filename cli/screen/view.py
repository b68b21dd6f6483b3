"""Draws the board: everything from 120 × 40 characters up, at 80 × 24 what matters first. Nothing here waits."""

from rich import box
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.text import Text

from cli.ask.board import Screen
from cli.screen.parts import (
    account_table,
    counts_line,
    decision_table,
    header,
    price_table,
    standing_lines,
    worker_table,
)
from cli.screen.small import render_small

FULL_WIDTH, FULL_HEIGHT = 100, 30
ALL_WIDTH = 120


def render(board: Screen, *, width: int, height: int) -> Layout:
    """The whole screen."""
    if width < FULL_WIDTH or height < FULL_HEIGHT:
        return render_small(board, width=width, height=height)
    positions = max(1, sum(len(account.positions) for account in board.accounts))
    accounts = 3 + min(len(board.accounts) + positions, max(5, height // 4))
    top = max(4, len(board.workers), len(board.prices)) + 3
    standing = standing_lines(board.accounts)
    told = sum(-(-len(line.plain) // (width - 4)) for line in standing)
    layout = Layout()
    layout.split_column(
        Layout(header(board), size=1),
        Layout(name="top", size=min(top, height // 2 - 2)),
        Layout(_panel(decision_table(board.decisions, height), "decisions"), name="decisions"),
        Layout(_panel(Group(account_table(board.accounts), *standing), "accounts"), size=accounts + told),
        Layout(footer(board, width), size=2 if width < ALL_WIDTH else 3),
    )
    layout["top"].split_row(
        Layout(_panel(worker_table(board.workers), "workers"), ratio=11),
        Layout(_panel(price_table(board.prices, width), "market"), ratio=9),
    )
    return layout


def footer(board: Screen, width: int) -> RenderableType:
    """Counts and where things are; in a wide terminal servers and their ports have a line of their own."""
    places = Text(no_wrap=True, overflow="ellipsis")
    places.append(f" {board.page or f'{board.gateway_url}/docs'}", "cyan")
    places.append(f"  key {board.api_key_file} ", "dim")
    servers = Text(no_wrap=True, overflow="ellipsis", style="dim")
    for server in board.servers:
        servers.append(f" · {server.name} {server.version} {_place(server.url)}")
    if width < ALL_WIDTH:
        return Group(counts_line(board), places.append(servers))
    return Group(counts_line(board), places, servers)


def _panel(content: RenderableType, title: str) -> Panel:
    return Panel(content, title=f"[grey70]{title}[/]", box=box.ROUNDED, border_style="grey37", title_align="left")


def _place(url: str) -> str:
    """Host and port; only the port of a server on this machine."""
    return url.partition("://")[2].rpartition("@")[2].partition("/")[0].removeprefix("127.0.0.1")
