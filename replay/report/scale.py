"""Where figures stand on a chart: a box 1 000 wide and 300 high that is stretched to what the screen has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor, log10

WIDTH, HEIGHT = 1_000, 300
LINES = 5
LABELS = 7


@dataclass(frozen=True, slots=True)
class ChartScale:
    """From `low`, at the bottom, to `high`."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "ChartScale":
        low, high = min(values), max(values)
        room = (high - low or abs(high) or 1.0) * 0.04
        return cls(low - room, high + room)

    def share(self, value: float) -> float:
        """From the top, 0 to 1."""
        return (self.high - value) / (self.high - self.low)

    def y(self, value: float) -> str:
        return f"{self.share(value) * HEIGHT:.1f}"

    def steps(self) -> list[float]:
        """Round figures within the scale."""
        wanted = (self.high - self.low) / LINES
        power = 10.0 ** floor(log10(wanted))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)
        return [n * step for n in range(ceil(self.low / step), floor(self.high / step) + 1)]


@dataclass(frozen=True, slots=True)
class ShownSpan:
    """The time that a chart shows."""

    start: datetime
    end: datetime

    def share(self, at: datetime) -> float:
        """From the left, 0 to 1."""
        return min(1.0, max(0.0, (at - self.start) / (self.end - self.start)))

    def x(self, at: datetime) -> str:
        return f"{self.share(at) * WIDTH:.1f}"

    def labels(self) -> str:
        """Times below the chart; a phone shows every second one."""
        whole = self.end - self.start
        form = "%d %b %H:%M" if whole.days < 5 else "%d %b" if whole.days < 330 else "%b %Y"
        shares = [(n + 0.5) / LABELS for n in range(LABELS)]
        kinds = ["x" if n % 2 else "x more" for n in range(LABELS)]
        return "".join(
            f'<span class="{kind}" style="left:{share:.1%}">{self.start + whole * share:{form}}</span>'
            for kind, share in zip(kinds, shares, strict=True)
        )


def grid(scale: ChartScale, unit: str = "") -> tuple[str, str]:
    """Lines across the chart (SVG), and their figures at its side (HTML)."""
    steps = scale.steps()
    digits = max(0, -floor(log10(steps[1] - steps[0]))) if len(steps) > 1 else 2
    lines = "".join(f"M0 {scale.y(step)}H{WIDTH}" for step in steps)
    figures = "".join(
        f'<span class="y" style="top:{scale.share(step):.1%}">{step:,.{digits}f}{unit}</span>' for step in steps
    )
    return f'<path class="grid" d="{lines}"/>', figures
