"""The reliability diagram: of the cases that got this probability, how many were right? (DeGroot & Fienberg 1983)"""

from collections.abc import Mapping, Sequence

import numpy as np

BINS = 10
SIDE, EDGE = 300, 46  # of a panel, and around it, in pixels

Curve = list[tuple[float, float, int]]  # mean probability, share that is right, how many


def curve(probabilities: Sequence[float], right: Sequence[bool]) -> Curve:
    """By bins of equal width; empty ones are left out."""
    p, y = np.asarray(probabilities, float), np.asarray(right, float)
    places = np.minimum((p * BINS).astype(int), BINS - 1)
    chosen = (places == place for place in range(BINS))
    return [(float(p[rows].mean()), float(y[rows].mean()), int(rows.sum())) for rows in chosen if rows.any()]


def calibration_error(points: Curve) -> float:
    """Expected calibration error: the mean distance of the two, weighed by the number of cases (Naeini et al. 2015)."""
    return sum(n * abs(told - true) for told, true, n in points) / sum(n for *_, n in points)


def diagram(curves: Mapping[str, Curve]) -> str:
    """An SVG with a panel a curve. The area of a point tells how many cases it stands for."""
    width, height = len(curves) * (SIDE + 2 * EDGE), SIDE + 2 * EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for n, (name, points) in enumerate(curves.items()):
        left, foot = n * (SIDE + 2 * EDGE) + EDGE, EDGE + SIDE
        most = max(count for *_, count in points)
        at = [(left + SIDE * told, foot - SIDE * true, 2 + 8 * (count / most) ** 0.5) for told, true, count in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in at)
        parts += [
            f'<rect x="{left}" y="{EDGE}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#999"/>',
            f'<line x1="{left}" y1="{foot}" x2="{left + SIDE}" y2="{EDGE}" stroke="#999" stroke-dasharray="4"/>',
            f'<polyline points="{line}" fill="none" stroke="#2457a6"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="#2457a6"/>' for x, y, r in at),
            f'<text x="{left}" y="{EDGE - 12}">{name}: error {calibration_error(points):.3f}, '
            f"{sum(count for *_, count in points):,} cases</text>",
            f'<text x="{left}" y="{foot + 18}">0</text>',
            f'<text x="{left + SIDE}" y="{foot + 18}" text-anchor="end">1</text>',
            f'<text x="{left + SIDE / 2}" y="{foot + 18}" text-anchor="middle">probability given</text>',
            f'<text transform="translate({left - 10} {EDGE + SIDE / 2}) rotate(-90)" text-anchor="middle">right</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
