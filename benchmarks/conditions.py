"""How many pictures of a condition are found, and how many others: `python -m benchmarks.conditions SETS PHOTOS`.

SETS has a folder for each set of labelled pictures, with a folder for each label; PHOTOS is a folder of photos. Pictures are
decoded and read as the daemon does. Where no set has what is asked for, photos are made so: darkened, blurred, without colour.
"""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageFilter

from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.config.views import ConditionSettings
from tagger.records import Content, Facts, Failed, Picture, Stamp, Tagged
from tagger.search.conditions import conditions_of
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import SUFFIXES, Decoder
from tagger.vision.load import load_classifier

QUALITY = 85
OURS = Path(__file__).parent.parent / "docs" / "page"
"""Screenshots of Tagger's own page."""
SCREEN = (1920, 1080)
_OUTDOORS = ("indoor-outdoor/outdoor", "rooms/frontal", "daynight/day", "daynight/night", "weather")
_INDOORS = ("indoor-outdoor/indoor", "rooms/bathroom", "rooms/bedroom", "rooms/kitchen")
_DAYS = ("daynight/day", "weather", "rooms", "indoor-outdoor", "imagenet-eval")

Change = Callable[[Image.Image], Image.Image]


def same(image: Image.Image) -> Image.Image:
    return image


def darker(light: float) -> Change:
    return lambda image: image.point([round(value * light) for value in range(256)] * 3)


def blurred(part: float) -> Change:
    """By a standard deviation of so much of the shorter side."""
    return lambda image: image.filter(ImageFilter.GaussianBlur(part * min(image.size)))


def grey(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def infrared(image: Image.Image) -> Image.Image:
    return darker(0.5)(grey(image))


def plain(image: Image.Image) -> Image.Image:
    return Image.new("RGB", image.size, image.resize((1, 1)).getpixel((0, 0)))


@dataclass(frozen=True)
class Group:
    """Pictures of some folders, changed alike. With `on_a_screen`, their size is taken for that of a screen."""

    name: str
    folders: Sequence[Path]
    change: Change = same
    on_a_screen: bool = False


@dataclass(frozen=True)
class Question:
    """Of one condition: pictures that are in it, pictures that are not, and some of which nobody has said."""

    condition: str
    those: Sequence[Group]
    others: Sequence[Group]
    unsaid: Sequence[Group] = ()


class Reader:
    """Pictures → the conditions that they are in, by the config's defaults."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._decoder = Decoder(classifier.preprocessing, 10**8, PixelBudget(), "fast")
        self._limits = ConditionSettings()

    def are(self, condition: str, group: Group) -> list[bool]:
        """Whether each picture that can be decoded is in the condition. The model is asked only where it has a say."""
        pictures = (self._decoded(data) for data in _encoded(group))
        return [
            condition
            in conditions_of(_facts(picture, group), self._outdoor(condition, picture), self._limits)
            for picture in pictures
            if isinstance(picture, Picture)
        ]

    def _decoded(self, data: bytes) -> Picture | Failed:
        return self._decoder.decode(Content(Stamp("", "", len(data), 0, 0), data, ""))

    def _outdoor(self, condition: str, picture: Picture) -> float | None:
        if condition not in ("indoor", "outdoor"):
            return None
        [outcome] = self._classifier.classify([picture])
        return outcome.reading.outdoor if isinstance(outcome, Tagged) else None


def _facts(picture: Picture, group: Group) -> Facts:
    if group.on_a_screen:
        return replace(picture.facts, width=SCREEN[0], height=SCREEN[1])
    return picture.facts


def _encoded(group: Group) -> Iterator[bytes]:
    """Files as they are; what is changed, as JPEGs."""
    files = sorted(file for folder in group.folders for file in folder.rglob("*") if file.suffix in SUFFIXES)
    for file in files:
        if group.change is same and file.suffix != ".webp":
            yield file.read_bytes()
        else:
            changed, into = group.change(Image.open(file).convert("RGB")), io.BytesIO()
            changed.save(into, "JPEG", quality=QUALITY)
            yield into.getvalue()


def questions(sets: Path, photos: Path) -> Iterator[Question]:
    def these(*names: str) -> list[Path]:
        return [sets / name for name in names]

    as_they_are = Group("photos", [photos])
    scenes = Group("rooms, indoor-outdoor", these("rooms", "indoor-outdoor"))
    nights = Group("daynight/night", these("daynight/night"))
    yield Question(
        "night",
        [nights, Group("photos in infrared, light × 0.5", [photos], infrared)],
        [as_they_are, *(Group(name, these(name)) for name in _DAYS)],
        [Group("game-titles", these("game-titles"))],
    )
    yield Question(
        "dark",
        [Group(f"photos, light × {light}", [photos], darker(light)) for light in (0.1, 0.2, 0.3)],
        [as_they_are, scenes],
    )
    yield Question(
        "blurred",
        [
            Group(f"photos, blurred by {part:.1%} of the shorter side", [photos], blurred(part))
            for part in (0.003, 0.006, 0.01)
        ],
        [as_they_are, scenes, nights],
    )
    yield Question("blank", [Group("of one colour", [photos], plain)], [as_they_are, scenes, nights])
    yield Question("monochrome", [Group("photos in grey", [photos], grey)], [as_they_are, scenes, nights])
    yield Question(
        "screenshot",
        [Group("Tagger's page, as JPEGs of a screen's size", [OURS], on_a_screen=True)],
        [
            Group("photos, as of a screen's size", [photos], on_a_screen=True),
            *(
                Group(f"{name}, as of a screen's size", these(name), on_a_screen=True)
                for name in (*_DAYS, "daynight/night")
            ),
            Group("kind/document", these("kind/document")),
            Group("kind/photo", these("kind/photo")),
        ],
        [Group("game-titles, as of a screen's size", these("game-titles"), on_a_screen=True)],
    )
    indoors, outdoors = ([Group(one, these(one)) for one in some] for some in (_INDOORS, _OUTDOORS))
    yield Question("indoor", indoors, outdoors)
    yield Question("outdoor", outdoors, indoors)


def main(sets: Path, photos: Path, *chosen: str) -> None:
    """`chosen` are names of conditions; all where there are none."""
    settings = Settings.model_validate({"model": {"name": "efficientnet_lite0"}})
    reader = Reader(load_classifier(settings, data_home(), cache_home()))
    for question in questions(sets, photos):
        if not chosen or question.condition in chosen:
            _print(question, reader)


def _print(question: Question, reader: Reader) -> None:
    print(f"\n| {question.condition} | pictures | found |\n|---|---:|---:|")
    counts = []
    for are_those, groups in ((True, question.those), (False, question.others), (None, question.unsaid)):
        for group in groups:
            found = reader.are(question.condition, group)
            counts.append((are_those, len(found), sum(found)))
            mark = {True: "", False: "not: ", None: "of these: "}[are_those]
            print(f"| {mark}{group.name} | {len(found)} | {sum(found) / len(found):.1%} |", flush=True)
    right, wrong = (sum(found for those, _, found in counts if those is which) for which in (True, False))
    whole = sum(pictures for those, pictures, _ in counts if those)
    print(f"\nrecall {right / whole:.1%} of {whole}, precision {right / max(1, right + wrong):.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
