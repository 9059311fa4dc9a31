"""A reliability diagram: how often the best label of a group of pictures is right, beside the score that it has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

WIDTH, GAP, TOP, BOTTOM = 220, 60, 40, 76
"""Pixels: the sides of a panel, and what is left free around it."""
INK, GREY = "#1f2328", "#8c959f"


class Reliability(NamedTuple):
    """Of one group of pictures: their mean score, and the part of them whose best label is right."""

    score: float
    accuracy: float


class Panel(NamedTuple):
    """One model: its groups at temperature 1, and at the temperature that Tagger scores with."""

    title: str
    raw: Sequence[Reliability]
    tempered: Sequence[Reliability]


def svg(panels: Sequence[Panel]) -> str:
    """Return the diagram as a document that needs no font, script or style from elsewhere, and that is readable on any background."""
    width, height = GAP + len(panels) * (WIDTH + GAP), TOP + WIDTH + BOTTOM
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title says"'
        ' font-family="sans-serif" font-size="12">',
        '<title id="title">How often the best label is right, by its score</title>',
        f'<desc id="says">{"; ".join(map(_told, panels))}.</desc>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(line for at, panel in enumerate(panels) for line in _drawn(panel, GAP + at * (WIDTH + GAP))),
        *_legend(height - 14),
        "</svg>",
    )
    return "\n".join(lines) + "\n"


def _told(panel: Panel) -> str:
    """The points in words, for whoever does not see them."""
    points = ", ".join(f"{one.score:.2f} is right {one.accuracy:.0%}" for one in panel.tempered)
    return f"{panel.title}: a mean score of {points}"


def _drawn(panel: Panel, left: int) -> Iterator[str]:
    yield f'<text x="{left}" y="24" fill="{INK}" font-weight="bold">{panel.title}</text>'
    yield f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{WIDTH}" fill="none" stroke="{GREY}"/>'
    yield f'<path d="M{left} {TOP + WIDTH}l{WIDTH} -{WIDTH}" stroke="{GREY}" stroke-dasharray="4 3"/>'
    for tenth in range(0, 11, 2):
        along = tenth / 10 * WIDTH
        label = f"{tenth / 10:.1f}"
        yield f'<text x="{left + along:.0f}" y="{TOP + WIDTH + 16}" fill="{INK}" text-anchor="middle">{label}</text>'
        yield f'<text x="{left - 6}" y="{TOP + WIDTH - along + 4:.0f}" fill="{INK}" text-anchor="end">{label}</text>'
    yield f'<text x="{left + WIDTH / 2}" y="{TOP + WIDTH + 34}" fill="{INK}" text-anchor="middle">mean score</text>'
    yield from (_marked(*_at(one, left), "raw") for one in panel.raw)
    yield from (_marked(*_at(one, left), "tempered") for one in panel.tempered)


def _at(one: Reliability, left: int) -> tuple[float, float]:
    return left + one.score * WIDTH, TOP + (1 - one.accuracy) * WIDTH


_SHAPES: Mapping[str, str] = {
    "raw": f'<rect x="{{0:.1f}}" y="{{1:.1f}}" width="8" height="8" fill="#ffffff" stroke="{GREY}" stroke-width="1.5"/>',
    "tempered": '<circle cx="{2:.1f}" cy="{3:.1f}" r="4.5" fill="#0969da" stroke="#ffffff"/>',
}


def _marked(x: float, y: float, kind: str) -> str:
    return _SHAPES[kind].format(x - 4, y - 4, x, y)


def _legend(y: int) -> Iterator[str]:
    words = {"raw": "at temperature 1", "tempered": "as Tagger scores (out-of-fold)"}
    for left, (kind, text) in zip((GAP, GAP + 150), words.items(), strict=True):
        yield _marked(left + 4, y - 4, kind)
        yield f'<text x="{left + 16}" y="{y}" fill="{INK}">{text}</text>'
    yield f'<text x="{GAP + 380}" y="{y}" fill="{INK}">up: the part that is right; on the dashed line, scores are true</text>'
