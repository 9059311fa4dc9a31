"""A picture may be in conditions, whatever it shows: it is dark, blurred, a screenshot, taken indoors and so on.

They follow from what is stored of each picture and from the thresholds of the config, so that other thresholds need no
picture to be looked at again. What is not known of a picture, for it was tagged by an earlier Tagger, puts it into none.
Here they are told of a picture in hand; `store.core.conditions` has the same for the database.
"""

from collections.abc import Iterator

from tagger.config.views import ConditionSettings
from tagger.records import Facts, Health

NAMES = ("night", "dark", "blurred", "blank", "monochrome", "screenshot", "indoor", "outdoor")
"""In the order in which they are told."""

_DISPLAYS = """
    1024×768 1152×864 1280×720 1280×768 1280×800 1280×960 1280×1024 1360×768 1366×768 1400×1050 1440×900 1440×1080 1536×864
    1600×900 1600×1200 1680×1050 1920×1080 1920×1200 1920×1280 2048×1152 2048×1536 2160×1440 2240×1400 2256×1504 2304×1440
    2400×1600 2520×1680 2560×1080 2560×1440 2560×1600 2560×1664 2736×1824 2880×1620 2880×1800 2880×1864 2880×1920 3000×2000
    3024×1964 3072×1920 3120×2080 3200×1800 3200×2000 3240×2160 3440×1440 3456×2160 3456×2234 3840×1080 3840×1600 3840×2160
    3840×2400 4096×2160 4096×2304 4480×2520 5120×1440 5120×2160 5120×2880 6016×3384 7680×4320
"""
_HANDHELD = """
    1136×640 1280×720 1334×750 1440×720 1480×720 1520×720 1560×720 1600×720 1612×720 1640×720 1792×828 1920×1080 2160×1080
    2220×1080 2240×1080 2244×1080 2246×1080 2248×1080 2280×1080 2310×1080 2312×1080 2316×1080 2340×1080 2376×1080 2388×1080
    2400×1080 2404×1080 2408×1080 2412×1080 2424×1080 2436×1080 2436×1125 2460×1080 2520×1080 2532×1170 2556×1179 2560×1440
    2622×1206 2640×1080 2688×1242 2208×1242 2712×1220 2736×1260 2772×1240 2778×1284 2796×1290 2800×1260 2856×1280 2868×1320
    2880×1440 2960×1440 2992×1344 3040×1440 3088×1440 3120×1440 3168×1440 3200×1440 3216×1440
    2000×1200 2048×1536 2160×1620 2224×1668 2266×1488 2360×1640 2388×1668 2420×1668 2732×2048 2752×2064 2800×1752 2960×1848
"""


def _sizes(table: str) -> Iterator[tuple[int, int]]:
    for size in table.split():
        long, short = map(int, size.split("×"))
        yield long, short


SCREENS = frozenset((*_sizes(_DISPLAYS), *_sizes(_HANDHELD)))
"""Pixels of the longer side and of the shorter, of screens that are sold: of monitors and laptops, of phones and tablets.

Without 640×480 and 800×600, in which cameras take pictures, and the web is full of them.
"""


def conditions_of(facts: Facts, outdoor: float | None, limits: ConditionSettings) -> tuple[str, ...]:
    """Return the conditions that a picture is in, in the order of NAMES. `outdoor` is its reading's."""
    seen = frozenset((*_by_pixels(facts, limits), *_by_model(outdoor, limits)))
    return tuple(name for name in NAMES if name in seen)


def _by_pixels(facts: Facts, limits: ConditionSettings) -> Iterator[str]:
    health = facts.health
    if health is None:
        return
    is_grey, is_dark = health.colourfulness < limits.colourless, health.brightness < limits.dark
    is_infrared = is_grey and health.brightness < limits.infrared
    if not health.is_blank and (is_infrared or health.brightness < limits.night):
        yield "night"
    if is_dark:
        yield "dark"
    if health.sharpness < limits.blurred and not (health.is_blank or is_dark):
        yield "blurred"
    if health.is_blank:
        yield "blank"
    if is_grey:
        yield "monochrome"
    if _is_of_a_screen(facts, health, limits):
        yield "screenshot"


def _is_of_a_screen(facts: Facts, health: Health, limits: ConditionSettings) -> bool:
    if health.flatness is None or facts.from_camera is None or facts.from_camera:
        return False
    sides = max(facts.width, facts.height), min(facts.width, facts.height)
    return health.flatness >= limits.flat and sides in SCREENS


def _by_model(outdoor: float | None, limits: ConditionSettings) -> Iterator[str]:
    if outdoor is not None:
        if outdoor <= limits.indoor:
            yield "indoor"
        if outdoor >= limits.outdoor:
            yield "outdoor"
