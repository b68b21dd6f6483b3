"""Candles of one symbol with what an account did there."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from replay.report.charts import boxed
from replay.report.folder import Row
from replay.report.scale import ChartScale, ShownSpan, grid
from replay.report.text import told

BODY = 0.34  # of a candle's time, to either side of its middle
LEGS = {"exit": "e", "flatten": "e", "target": "t", "stop": "o", "liquidation": "l"}
WORDS = {
    "b": "bought to open or add",
    "s": "sold to open or add",
    "e": "closed by a decision",
    "t": "target",
    "o": "stop",
    "l": "liquidation",
}
Candle = tuple[datetime, float, float, float, float]


def market_chart(row: Row, fills: Sequence[Row]) -> str:
    """Candles, and above them where orders were filled. Empty where no price is known."""
    step, known = timedelta(minutes=row["minutes"]), _known(row)
    if not known:
        return ""
    span = ShownSpan(known[0][0], known[-1][0] + step)
    prices = [price for candle in known for price in candle[2:4]]
    scale = ChartScale.of(prices + [fill["price"] for fill in fills])
    across, figures = grid(scale)
    drawn = "".join(
        _candles(
            [candle for candle in known if (candle[4] >= candle[1]) == up], "rise" if up else "fall", step, span, scale
        )
        for up in (True, False)
    )
    return f'<div class="candles">{boxed(across + drawn, figures + span.labels() + _marks(fills, span, scale))}</div>'


def fills_legend() -> str:
    names = "".join(f'<span><i class="m {kind}"></i>{word}</span>' for kind, word in WORDS.items())
    return f'<div class="legend">{names}</div>'


def _known(row: Row) -> list[Candle]:
    first, step = datetime.fromisoformat(row["first"]), timedelta(minutes=row["minutes"])
    columns = zip(row["open"], row["high"], row["low"], row["close"], strict=True)
    return [(first + n * step, *figures) for n, figures in enumerate(columns) if figures[0] is not None]


def _candles(candles: Sequence[Candle], kind: str, step: timedelta, span: ShownSpan, scale: ChartScale) -> str:
    wicks, bodies = [], []
    for at, opened, high, low, close in candles:
        wicks.append(f"M{span.x(at + step / 2)} {scale.y(high)}V{scale.y(low)}")
        left, right = span.x(at + step * (0.5 - BODY)), span.x(at + step * (0.5 + BODY))
        bodies.append(f"M{left} {scale.y(opened)}H{right}V{scale.y(close)}H{left}Z")
    return f'<path class="{kind}" d="{"".join(wicks)}"/><path class="{kind} body" d="{"".join(bodies)}"/>'


def _marks(fills: Sequence[Row], span: ShownSpan, scale: ChartScale) -> str:
    return "".join(_mark(fill, span, scale) for fill in fills)


def _mark(fill: Row, span: ShownSpan, scale: ChartScale) -> str:
    at = datetime.fromisoformat(fill["at"])
    kind = LEGS.get(fill["leg"], "b" if fill["side"] == "buy" else "s")
    title = f"{at:%d %b %H:%M} {fill['leg']} {fill['side']} at {fill['price']:g}"
    place = f"left:{span.share(at):.2%};top:{scale.share(fill['price']):.2%}"
    return f'<i class="m {kind}" style="{place}" title="{told(title)}"></i>'
