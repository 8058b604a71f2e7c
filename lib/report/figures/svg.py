"""Small line charts as SVG: what a page can show without a script."""

from collections.abc import Iterable, Mapping
from html import escape

from lib.report.figures import palette

_WIDTH, _HEIGHT, _LEFT, _TOP = 720, 110, 48, 22


def panel(
    title: str,
    lines: Mapping[str, Iterable[tuple[float, float]]],
    across: tuple[float, float],
    highest: float,
    ends: tuple[str, str],
) -> str:
    """Lines over an axis from 0 to `highest`, in the colour of the text around it.

    Each line has points (x, y), which are marked unless its name is empty. The horizontal axis goes
    `across` from one value to another, and below its `ends` stands what they say.
    """
    width, height = _WIDTH - _LEFT - 8, _HEIGHT - 2 * _TOP
    begin, end = across

    def place(x: float, y: float) -> str:
        right = _LEFT + width * (x - begin) / (end - begin)
        return f"{right:.1f},{_TOP + height * (1 - y / (highest or 1)):.1f}"

    drawn, named = [], []
    for name, tint, dash in zip(lines, palette.COLOURS, ("", "4 3"), strict=False):
        points = [place(x, y) for x, y in lines[name]]
        drawn.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{tint}" '
            f'stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        if name:  # few points, of which the first alone makes no line
            circles = (point.split(",") for point in points)
            drawn += [f'<circle cx="{x}" cy="{y}" r="3" fill="{tint}"/>' for x, y in circles]
            named.append(f'<tspan fill="{tint}" dx="14">●</tspan> {name}')
    bottom = _TOP + height
    rules = "".join(
        f'<line x1="{_LEFT}" x2="{_LEFT + width}" y1="{y}" y2="{y}" stroke="{palette.FAINT}"/>'
        for y in (_TOP, bottom)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{escape(title)}" font-size="12" fill="currentColor" '
        'style="display:block;max-width:100%;height:auto">'
        f'<text x="{_LEFT}" y="14">{escape(title)}{"".join(named)}</text>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{highest:.3g}</text>'
        f'<text x="{_LEFT - 6}" y="{bottom + 4}" text-anchor="end">0</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{ends[0]}</text>'
        f'<text x="{_LEFT + width}" y="{_HEIGHT - 6}" text-anchor="end">{ends[1]}</text>'
        f"{rules}{''.join(drawn)}</svg>"
    )
