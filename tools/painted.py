"""Scenes of a game that does not exist, painted for the page's pictures: what a head of one's own would tell apart."""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 960, 540
Draw = ImageDraw.ImageDraw


def painted(scene: str, number: int) -> Image.Image:
    """Return one of many pictures of a scene; the same number gives the same one."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    chance = Random(f"{scene} {number}")  # noqa: S311 (no secret)
    SCENES[scene](ImageDraw.Draw(image, "RGBA"), chance)
    return image.filter(ImageFilter.GaussianBlur(0.8))


def _battle(draw: Draw, chance: Random) -> None:
    _sky(draw, (90, 30, 20), (200, 120, 60))
    draw.rectangle((0, HEIGHT * 0.62, WIDTH, HEIGHT), (70, 52, 36))
    for _ in range(chance.randint(4, 7)):
        x, y = chance.randint(80, WIDTH - 80), chance.randint(180, 380)
        for radius in range(chance.randint(40, 110), 8, -8):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), (255, 230 - radius * 2, 60, 60))
    for _ in range(9):
        x, y, height = chance.randint(0, WIDTH), chance.randint(340, 500), chance.randint(50, 100)
        draw.ellipse((x - height / 8, y - height, x + height / 8, y - height * 0.75), (20, 18, 20))
        draw.rectangle((x - height / 5, y - height * 0.75, x + height / 5, y), (25, 24, 30))
    draw.rectangle((30, 26, 330, 46), (40, 0, 0))
    draw.rectangle((30, 26, 30 + chance.randint(40, 300), 46), (220, 40, 40))


def _city(draw: Draw, chance: Random) -> None:
    _sky(draw, _shade(chance, 20, 160), _shade(chance, 120, 250))
    left = 0
    while left < WIDTH:
        wide, top = chance.randint(50, 200), chance.randint(60, 380)
        shade = chance.randint(40, 90)
        draw.rectangle((left, top, left + wide, 460), (shade, shade + 8, shade + 24))
        for x in range(left + 10, left + wide - 12, 20):
            for y in range(top + 12, 440, 26):
                draw.rectangle((x, y, x + 9, y + 13), chance.choice([(255, 220, 130), (30, 34, 50)]))
        left += wide + 4
    draw.rectangle((0, 460, WIDTH, HEIGHT), (60, 62, 68))
    for x in range(chance.randint(0, 80), WIDTH, 120):
        draw.rectangle((x, 496, x + 60, 502), (230, 230, 210))


def _menu(draw: Draw, chance: Random) -> None:
    _sky(draw, _shade(chance, 10, 70), _shade(chance, 30, 150))
    lines, left, wide = chance.randint(3, 6), chance.choice((50, 300, 560)), chance.randint(240, 380)
    draw.rounded_rectangle((left, 40, left + wide, 100), 10, (235, 238, 245))
    lit, colour = chance.randrange(lines), _shade(chance, 90, 240)
    for at in range(lines):
        top = 140 + at * 64
        draw.rounded_rectangle(
            (left, top, left + wide, top + 48), 12, colour if at == lit else (60, 68, 92, 200)
        )
        draw.rectangle((left + 24, top + 18, left + chance.randint(90, 220), top + 30), (235, 238, 245))
    aside = 40 if left > 480 else 690
    for at in range(chance.randint(0, 9)):
        x, y = aside + at % 2 * 115, 60 + at // 2 * 95
        draw.rounded_rectangle((x, y, x + 96, y + 80), 8, _shade(chance, 80, 220))


def _shade(chance: Random, least: int, most: int) -> tuple[int, int, int]:
    return chance.randint(least, most), chance.randint(least, most), chance.randint(least, most)


def _map(draw: Draw, chance: Random) -> None:
    draw.rectangle((0, 0, WIDTH, HEIGHT), (222, 204, 160))
    for _ in range(7):
        x, y, size = chance.randint(0, WIDTH), chance.randint(0, HEIGHT), chance.randint(50, 140)
        draw.ellipse((x - size, y - size / 2, x + size, y + size / 2), (140, 168, 104, 200))
    river = [(x, 270 + chance.randint(-120, 120)) for x in range(0, WIDTH + 120, 120)]
    draw.line(river, (80, 130, 180), 22, "curve")
    places = [(chance.randint(60, WIDTH - 60), chance.randint(60, HEIGHT - 60)) for _ in range(7)]
    draw.line(places, (120, 80, 50), 4)
    for x, y in places:
        draw.ellipse((x - 11, y - 11, x + 11, y + 11), (170, 40, 40), (70, 20, 20), 3)


def _sky(draw: Draw, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> None:
    for y in range(HEIGHT):
        part = y / HEIGHT
        draw.line(
            (0, y, WIDTH, y), tuple(round(a + (b - a) * part) for a, b in zip(top, bottom, strict=True))
        )


SCENES: dict[str, Callable[[Draw, Random], None]] = {
    "battle": _battle,
    "city": _city,
    "menu": _menu,
    "map": _map,
}
