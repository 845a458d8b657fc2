"""A small SVG of a few lines over a logarithmic axis: enough to see what is flat and what is not."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 400, 60, 40, 40, 250
COLORS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a")
Line = Sequence[tuple[float, float]]


def lines(path: Path, title: str, unit: str, series: Mapping[str, Line]) -> Path:
    """Write a plot of `series` (points of x and y, x above 0) to `path`, x logarithmic, y from 0; return it."""
    xs = [x for line in series.values() for x, _ in line]
    top = max(y for line in series.values() for _, y in line) * 1.1 or 1
    low, high = math.log10(min(xs)), math.log10(max(xs))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low) / ((high - low) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        _, y = at(min(xs), value)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    parts.append(f'<text x="6" y="{TOP - 6}">{escape(unit)}</text>')
    for x in sorted(set(xs)):
        across, _ = at(x, 0)
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,.0f}</text>')
    for number, (name, line) in enumerate(series.items()):
        color, points = COLORS[number % len(COLORS)], [at(x, y) for x, y in line]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in points]
        y = TOP + 18 * number
        parts.append(f'<text x="{WIDTH - RIGHT + 14}" y="{y}" fill="{color}">{escape(name)}</text>')
    path.write_text("\n".join([*parts, "</svg>", ""]))
    return path
