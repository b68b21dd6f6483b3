"""The view in a small terminal: prices, decisions and positions; workers, servers and ports are a line."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.text import Text

from cli.ask.board import DecisionRow, Screen
from cli.screen.parts import account_table, counts_line, decision_table, header, price_table, standing_lines

PRICES = 6
LEAST_DECISIONS = 4


def render_small(board: Screen, *, width: int, height: int) -> Layout:
    """Every row but the header's and the last two is of prices, decisions and positions."""
    accounts = 1 + len(board.accounts) + sum(len(account.positions) for account in board.accounts)
    standing = standing_lines(board.accounts)
    told = sum(-(-len(line.plain) // width) for line in standing)
    prices = 1 + min(max(1, len(board.prices)), PRICES)
    left = height - 1 - prices - 2 - told - LEAST_DECISIONS
    layout = Layout()
    layout.split_column(
        Layout(header(board), size=1),
        Layout(price_table(board.prices, width + width), size=prices),
        Layout(decision_table(_shortened(board.decisions), height, time="%H:%M:%S"), name="decisions"),
        Layout(Group(account_table(board.accounts), *standing), size=max(2, min(accounts, left)) + told),
        Layout(Group(counts_line(board, short=True), _places(board)), size=2),
    )
    return layout


def _shortened(decisions: Sequence[DecisionRow]) -> Sequence[DecisionRow]:
    """A hold says nothing that a small screen has room for."""
    return [row if row.verdict != "hold" else _bare(row) for row in decisions]


def _bare(row: DecisionRow) -> DecisionRow:
    return DecisionRow(row.at, row.account, row.asset, row.action, row.verdict, "", row.times)


def _places(board: Screen) -> RenderableType:
    """`7/7 workers  http://127.0.0.1:8080/docs`, with the first worker that is not well."""
    ready = sum(row.state == "ready" for row in board.workers)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f" {ready}/{len(board.workers)} workers", "green" if ready == len(board.workers) else "yellow")
    ill = next((row for row in board.workers if row.state != "ready"), None)
    if ill is not None:
        line.append(f"  {ill.instance} {ill.state}", "yellow")
    line.append(f"  {board.page or f'{board.gateway_url}/docs'}", "cyan")
    line.append(f"  key {board.api_key_file}", "dim")
    return line
