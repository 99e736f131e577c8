"""Charts as SVG, which follow the light or dark scheme of whoever looks at them.

Narrow, with each name on a line of its own: they are read on a telephone as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 480
STYLE = """
    text { font: 14px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 16px; }
    .faint { fill: #59636e; font-size: 12px; }
    .bar { fill: #9aa4af; } .ours { fill: #2f6fd0; }
    .spread, .axis { stroke: #1f2328; stroke-width: 1.5; fill: none; } .axis { stroke: #d1d9e0; stroke-width: 1; }
    .line { fill: none; stroke-width: 2.5; }
    .c0 { stroke: #2f6fd0; fill: #2f6fd0; } .c1 { stroke: #b3541e; fill: #b3541e; }
    .c2 { stroke: #2c7d4f; fill: #2c7d4f; } .c3 { stroke: #7d4fa8; fill: #7d4fa8; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; } .faint { fill: #9198a1; }
      .bar { fill: #6b7681; } .ours { fill: #5b9cf5; }
      .spread { stroke: #e6edf3; } .axis { stroke: #3d444d; }
      .c0 { stroke: #5b9cf5; fill: #5b9cf5; } .c1 { stroke: #ef9a5f; fill: #ef9a5f; }
      .c2 { stroke: #5cc08a; fill: #5cc08a; } .c3 { stroke: #c297ec; fill: #c297ec; }
    }
"""


@dataclass(frozen=True, kw_only=True)
class Bar:
    label: str
    value: float
    lowest: float
    highest: float
    text: str
    """The value as it is shown."""
    is_ours: bool = False


def bar_chart(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars, with a line from the lowest to the highest run."""
    most = max(bar.highest for bar in bars)
    scale = (WIDTH - 130) / most
    parts, y = [], 56
    for bar in bars:
        kind = "ours" if bar.is_ours else "bar"
        width = max(1.0, bar.value * scale)
        end = max(bar.highest * scale, width)
        middle = y + 15
        parts += [
            f'<text x="0" y="{y}">{escape(bar.label)}</text>',
            f'<rect class="{kind}" x="0" y="{y + 6}" width="{width:.1f}" height="18" rx="2"/>',
            f'<path class="spread" d="M{bar.lowest * scale:.1f} {middle}H{bar.highest * scale:.1f}"/>',
            f'<text x="{end + 8:.1f}" y="{y + 20}">{escape(bar.text)}</text>',
        ]
        y += 50
    return _svg(title, unit, parts, y - 20)


def line_chart(title: str, unit: str, across: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines over an axis that is logarithmic across and begins at 0 upwards; `across` names it."""
    points = [point for line in lines.values() for point in line]
    plot = _Plot.of(points)
    parts = plot.grid()
    y = _Plot.BOTTOM + 44
    parts.append(f'<text class="faint" x="{WIDTH / 2}" y="{y - 8}" text-anchor="middle">{escape(across)}</text>')
    for number, (label, line) in enumerate(lines.items()):
        path = " ".join(f"{plot.x(a):.1f},{plot.y(b):.1f}" for a, b in line)
        parts.append(
            f'<polyline class="line" style="fill:none" points="{path}"/>'.replace('"line"', f'"line c{number}"')
        )
        parts += [f'<circle class="c{number}" cx="{plot.x(a):.1f}" cy="{plot.y(b):.1f}" r="3.5"/>' for a, b in line]
        y += 22
        parts.append(f'<circle class="c{number}" cx="8" cy="{y - 5}" r="5"/>')
        parts.append(f'<text x="20" y="{y}">{escape(label)}</text>')
    return _svg(title, unit, parts, y + 12)


@dataclass(frozen=True)
class _Plot:
    """Where the points of a line chart lie."""

    least: float
    most: float
    highest: float
    across: tuple[float, ...]

    LEFT, RIGHT, TOP, BOTTOM = 62, WIDTH - 16, 56, 256

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> _Plot:
        across = sorted({a for a, _ in points})
        return cls(across[0], across[-1], max(b for _, b in points), tuple(across))

    def x(self, value: float) -> float:
        # Equal steps, as the values are chosen to be factors of each other.
        return self.LEFT + (self.RIGHT - self.LEFT) * self.across.index(value) / max(1, len(self.across) - 1)

    def y(self, value: float) -> float:
        return self.BOTTOM - (self.BOTTOM - self.TOP) * value / self.highest

    def grid(self) -> list[str]:
        parts = []
        for part in (0.0, 0.5, 1.0):
            value = self.highest * part
            y = self.y(value)
            parts.append(f'<path class="axis" d="M{self.LEFT} {y:.1f}H{self.RIGHT}"/>')
            parts.append(
                f'<text class="faint" x="{self.LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>'
            )
        for value in self.across:
            anchor = "end" if value == self.most and len(self.across) > 1 else "middle"
            parts.append(
                f'<text class="faint" x="{self.x(value):.1f}" y="{self.BOTTOM + 18}" text-anchor="{anchor}">'
                f"{short(value)}</text>"
            )
        return parts


def short(value: float) -> str:
    """A number as an axis shows it: 20k, 1.5M."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _svg(title: str, unit: str, parts: Sequence[str], height: float) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img">',
            f"  <title>{escape(title)}</title>",
            f"  <style>{STYLE}  </style>",
            f'  <text class="title" x="0" y="18">{escape(title)}</text>',
            f'  <text class="faint" x="0" y="36">{escape(unit)}</text>',
            *(f"  {part}" for part in parts),
            "</svg>",
            "",
        ]
    )
