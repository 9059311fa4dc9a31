"""The chart of docs/performance.md: pictures per second, a panel for each set, a bar for each side."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.sets import MIXED, SETS
from benchmarks.sides import HEADLINE, SIDES

OURS, PEER, INK, FAINT, PAPER = "#d9480f", "#adb5bd", "#212529", "#868e96", "#ffffff"
SHOWN = ("1", "2", "3", "4", "5", "6", "ours-fp32", "2-bf16", "5-bf16", "ours-bf16", "5-int8", "ours-int8")
"""In groups of one precision each, so that like stands beside like."""

matplotlib.rcParams |= {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.fonttype": "none",
    "text.color": INK,
}


def draw(rates: dict[str, dict[str, float]], to: Path) -> None:
    """Writes `to`.png and `to`.svg; `rates` are by side and set."""
    sides = [side for side in SHOWN if side in rates]
    sets = list(next(iter(rates.values())))
    titles = {name: kind.title for name, kind in SETS.items()} | {"E": MIXED.partition(":")[0]}
    figure, panels = pyplot.subplots(
        1, len(sets), figsize=(2.3 + 1.9 * len(sets), 0.8 + 0.29 * len(sides)), sharey=True, squeeze=False
    )
    for panel, name in zip(panels[0], sets, strict=True):
        _panel(panel, sides, [rates[side][name] for side in sides])
        panel.set_title(f"{name}  {titles[name]}", loc="left", fontsize=9, fontweight="bold", color=INK)
    _name_bars(panels[0][0], sides)
    figure.suptitle(
        "Pictures per second, from files on disk to rows in SQLite (ResNet-18, 224 px)",
        x=0.012,
        ha="left",
        fontsize=11,
        fontweight="bold",
    )
    figure.tight_layout(w_pad=1.6, rect=(0, 0, 1, 0.98))
    for suffix in (".png", ".svg"):
        figure.savefig(to.with_suffix(suffix), dpi=160, facecolor=PAPER)
    pyplot.close(figure)


def _panel(panel: Axes, sides: list[str], values: list[float]) -> None:
    places = _places(sides)
    colours = [OURS if side in HEADLINE else PEER for side in sides]
    panel.barh(places, values, height=0.78, color=colours)
    for place, value, side in zip(places, values, sides, strict=True):
        weight = "bold" if side in HEADLINE else "normal"
        panel.text(
            value + 0.02 * max(values),
            place,
            f"{value:.0f}" if value >= 10 else f"{value:.1f}",
            va="center",
            fontsize=8,
            fontweight=weight,
        )
    panel.set_xlim(0, 1.22 * max(values))
    panel.set_xticks([])
    panel.margins(y=0.02)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.axvline(0, color=FAINT, linewidth=0.8)


def _name_bars(panel: Axes, sides: list[str]) -> None:
    panel.set_yticks(_places(sides), [f"{SIDES[side].title}, {SIDES[side].precision}" for side in sides])
    for label, side in zip(panel.get_yticklabels(), sides, strict=True):
        label.set_color(OURS if side in HEADLINE else INK)
        label.set_fontweight("bold" if side in HEADLINE else "normal")
    panel.invert_yaxis()


def _places(sides: list[str]) -> list[float]:
    """A bar's height each, and some room between precisions."""
    places, place = [], 0.0
    for before, side in zip([sides[0], *sides], sides, strict=False):
        place += 0.6 if SIDES[before].precision != SIDES[side].precision else 0
        places.append(place)
        place += 1
    return places
