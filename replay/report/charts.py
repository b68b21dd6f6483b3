"""Charts as plain SVG: stretched with the screen, their figures beside them as text that is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from replay.report.scale import HEIGHT, WIDTH, ChartScale, ShownSpan, grid
from replay.report.text import told

MOST_POINTS = 900
COLOURS = 7


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A named column of values; `rank` chooses its colour. A baseline is dashed."""

    name: str
    values: Sequence[float]
    rank: int
    baseline: bool = False


def line_chart(times: Sequence[datetime], lines: Sequence[ChartLine], unit: str = " %") -> str:
    """Several columns of values at the same times."""
    span, scale = ShownSpan(times[0], times[-1]), ChartScale.of([value for line in lines for value in line.values])
    across, figures = grid(scale, unit)
    paths = "".join(_line(line, times, span, scale) for line in lines)
    return _legend(lines) + boxed(across + paths, figures + span.labels())


def fall_chart(times: Sequence[datetime], falls: Sequence[float]) -> str:
    """How far below its peak something is, in percent."""
    span, scale = ShownSpan(times[0], times[-1]), ChartScale(-max(*falls, 0.01) * 1.05, 0.0)
    across, figures = grid(scale, " %")
    places = kept([-fall for fall in falls])
    points = "L".join(f"{span.x(times[n])} {scale.y(-falls[n])}" for n in places)
    area = f'<path class="area" d="M0 0L{points}L{WIDTH} 0Z"/>'
    return boxed(across + area, figures + span.labels(), "low")


def boxed(drawn: str, texts: str, kind: str = "") -> str:
    return (
        f'<div class="chart {kind}"><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f"{drawn}</svg>{texts}</div>"
    )


def kept(values: Sequence[float]) -> list[int]:
    """Places that are drawn of a long column: the lowest and the highest of each stretch, the first and the last."""
    if len(values) <= MOST_POINTS:
        return list(range(len(values)))
    width = -(-2 * len(values) // MOST_POINTS)
    places = {0, len(values) - 1}
    for start in range(0, len(values), width):
        stretch = range(start, min(start + width, len(values)))
        places |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(places)


def _line(line: ChartLine, times: Sequence[datetime], span: ShownSpan, scale: ChartScale) -> str:
    points = "L".join(f"{span.x(times[n])} {scale.y(line.values[n])}" for n in kept(line.values))
    dashes = ' stroke-dasharray="6 5"' if line.baseline else ""
    return f'<path d="M{points}" style="stroke:var(--c{line.rank % COLOURS})"{dashes}/>'


def _legend(lines: Sequence[ChartLine]) -> str:
    names = "".join(
        f'<span><i class="{"dash" if line.baseline else ""}" style="color:var(--c{line.rank % COLOURS})"></i>'
        f"{told(line.name)} {line.values[-1]:+.2f} %</span>"
        for line in lines
    )
    return f'<div class="legend">{names}</div>'
