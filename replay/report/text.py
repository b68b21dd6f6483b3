"""Figures and foreign text as they stand on a page."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

NOTHING = "–"


def told(text: object) -> str:
    """Text from outside, safe within HTML."""
    return escape(str(text))


def figure(value: Any, digits: int = 2, unit: str = "", *, sign: bool = False) -> str:
    if value is None:
        return NOTHING
    number = float(value)
    return f"{number:+,.{digits}f}{unit}" if sign else f"{number:,.{digits}f}{unit}"


def percent(share: float) -> str:
    """Of a fraction."""
    return f"{share * 100:.0f} %"


def paragraph(text: str, kind: str = "") -> str:
    """Text from anywhere; a figure and its sign stay on one line."""
    shown = told(text).replace(" %", "&nbsp;%")
    return f'<p class="{kind}">{shown}</p>' if kind else f"<p>{shown}</p>"


def coloured(value: Any, digits: int = 2, unit: str = "") -> str:
    """With its sign, in the colour of a win or a loss."""
    if value is None:
        return NOTHING
    kind = "up" if float(value) > 0 else "down" if float(value) < 0 else ""
    return f'<span class="{kind}">{figure(value, digits, unit, sign=True)}</span>'


def between(bounds: Sequence[float] | None, digits: int = 2, unit: str = "") -> str:
    if bounds is None:
        return "too little for an interval"
    return f"{figure(bounds[0], digits, unit, sign=True)} to {figure(bounds[1], digits, unit, sign=True)}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; wide tables are scrolled by themselves."""
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def section(title: str, *parts: str) -> str:
    return f"<section><h2>{told(title)}</h2>{''.join(parts)}</section>"
