"""What each crop sees of a 16:9 frame, and what it costs. `python -m benchmarks.crops PHOTOS`

PHOTOS is a folder of photos with a `labels.tsv` (file, wnid). Each that the model has a label for is put into frames of
1920×1080: so that it fills them; or at random places and in random sizes, onto texture and onto another photo. Asked is
whether its label is found, and how many labels are found that are in neither photo. Seeds are fixed. The model is the
configured one: TAGGER_MODEL__WEIGHTS=FILE takes another.
"""

import csv
import io
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tagger.config.folders import cache_home, data_home
from tagger.config.load import load
from tagger.config.sources import Box, Mode
from tagger.config.views import SearchSettings
from tagger.records import Content, Picture, Stamp
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import Decoder
from tagger.vision.load import load_classifier
from tagger.vision.models import Preprocessing

FRAME = (1920, 1080)
PLACEMENTS = 5
SIZES = (0.3, 1.0)
"""The longer side of a photo in a frame, as a part of the frame's height."""
ENOUGH = SearchSettings().min_score
"""A score from which on a label is found: the default of `search.min_score`."""
TIMED, ROUNDS = 8, 9
_PLACES = ("at a side", "at the edge of the middle", "in the middle")
"""Where a photo lies, by thirds of its width that the centre crop sees."""
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A frame as a JPEG, `box` the part of it that the photo takes, and the classes of what is in it: the photo's first."""

    kind: str
    file: bytes
    box: Box
    classes: tuple[int, ...]

    @property
    def size(self) -> float:
        return max(self.box[2] * FRAME[0], self.box[3] * FRAME[1]) / FRAME[1]

    def in_middle(self, own: Preprocessing) -> float:
        """The part of the photo's width that lies between the edges of the centre crop."""
        left, _, width, _ = self.box
        half = own.crop / own.resize * FRAME[1] / FRAME[0] / 2
        return max(min(left + width, 0.5 + half) - max(left, 0.5 - half), 0) / width


@dataclass(frozen=True)
class Found:
    """Of some scenes, shares: the label is the first, among the first five, or scores `ENOUGH`; wrong labels per picture."""

    top1: float
    top5: float
    enough: float
    wrong: float

    @classmethod
    def of(cls, scores: Scores, scenes: Sequence[Scene], enough: float = ENOUGH) -> "Found":
        own = np.array([scores[row, scene.classes[0]] for row, scene in enumerate(scenes)])
        better = (scores > own[:, np.newaxis]).sum(axis=1)
        others = scores.copy()
        for row, scene in enumerate(scenes):
            others[row, list(scene.classes)] = 0
        wrong = (others >= enough).sum(axis=1).mean()
        return cls((better < 1).mean(), (better < 5).mean(), (own >= enough).mean(), wrong)

    def __str__(self) -> str:
        return f"{self.top1:.0%} | {self.top5:.0%} | {self.enough:.0%} | {self.wrong:.2f}"


def main() -> None:
    measure(load_classifier(load(), data_home(), cache_home()), Path(sys.argv[1]))


def measure(classifier: Classifier, folder: Path) -> None:
    scenes = list(_scenes(_photos(folder, classifier)))
    scores = _scores(classifier, scenes)
    for title, chosen in _groups(scenes, classifier.preprocessing).items():
        print(
            f"\n{title} ({len(chosen)})\n\n| crop | top-1 | top-5 | found | wrong labels | found, as few wrong |"
        )
        print("|---|---|---|---|---|---|")
        own = [scenes[at] for at in chosen]
        few = Found.of(scores["center"][chosen], own).wrong
        for name, rows in scores.items():
            print(f"| {name} | {Found.of(rows[chosen], own)} | {_as_few_wrong(rows[chosen], own, few)} |")
    _print_costs(classifier, [scene for scene in scenes if scene.kind == "fills"][:TIMED])


def _photos(folder: Path, classifier: Classifier) -> dict[Path, int]:
    """The photos that the model has a label for, and which."""
    index = {label.key: at for at, label in enumerate(classifier.labels)}
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table, delimiter="\t")
        return {folder / row["file"]: index[row["wnid"]] for row in rows if row["wnid"] in index}


def _scenes(photos: Mapping[Path, int]) -> Iterator[Scene]:
    rng = np.random.default_rng(0)
    paths = list(photos)
    for path, label in photos.items():
        photo = _opened(path)
        yield Scene("fills", _saved(ImageOps.fit(photo, FRAME)), (0, 0, 1, 1), (label,))
        for _ in range(PLACEMENTS):
            other = paths[rng.integers(len(paths))]
            behind = ImageOps.fit(_opened(other), FRAME)
            yield _placed("on texture", photo, _texture(rng), (label,), rng)
            yield _placed("on a photo", photo, behind, (label, photos[other]), rng)


def _placed(
    kind: str, photo: Image.Image, behind: Image.Image, classes: tuple[int, ...], rng: np.random.Generator
) -> Scene:
    factor = rng.uniform(*SIZES) * FRAME[1] / max(photo.size)
    photo = photo.resize(
        (round(photo.width * factor), round(photo.height * factor)), Image.Resampling.LANCZOS
    )
    left, top = (int(rng.integers(whole - side + 1)) for whole, side in zip(FRAME, photo.size, strict=True))
    behind.paste(photo, (left, top))
    box = left / FRAME[0], top / FRAME[1], photo.width / FRAME[0], photo.height / FRAME[1]
    return Scene(kind, _saved(behind), box, classes)


def _texture(rng: np.random.Generator) -> Image.Image:
    """Two random colours, mixed by noise in octaves of 4 to 256 pixels."""
    width, height = FRAME
    noise = np.zeros((height, width), np.float32)
    for octave in (4, 16, 64, 256):
        coarse = Image.fromarray(rng.random((height // octave + 1, width // octave + 1), np.float32))
        noise += np.asarray(coarse.resize(FRAME, Image.Resampling.BICUBIC)) / 4
    one, other = rng.integers(0, 256, (2, 3))
    mixed = one + noise.clip(0, 1)[..., np.newaxis] * (other - one)
    return Image.fromarray(mixed.astype(np.uint8))


def _ways(own: Preprocessing, scene: Scene) -> dict[str, Preprocessing]:
    """The crops, letterboxes with bars of other colours, tiles that see all of the height, and boxes that know where."""
    letterbox = replace(own, frame="letterbox")
    return {
        "center": own,
        "squash": replace(own, frame="squash"),
        "letterbox": letterbox,
        "letterbox, black": replace(letterbox, mean=(0, 0, 0)),
        "letterbox, white": replace(letterbox, mean=(1, 1, 1)),
        "tiles": replace(own, frame="tiles"),
        "tiles, whole height": replace(own, frame="tiles", resize=own.crop),
        "a box around it": replace(own, frame=scene.box),
        "a box of four times that": replace(own, frame=_twice(scene.box)),
    }


def _twice(box: Box) -> Box:
    """Twice as wide and twice as high, as far as the frame goes."""
    left, top, width, height = box
    x, y = max(left - width / 2, 0), max(top - height / 2, 0)
    return x, y, min(left + width * 1.5, 1) - x, min(top + height * 1.5, 1) - y


def _scores(classifier: Classifier, scenes: Sequence[Scene]) -> dict[str, Scores]:
    """For each way, scenes × labels: of each label, the best of a scene's frames."""
    rows = [
        [
            _best(classifier, _decoded(how, scene.file))
            for how in _ways(classifier.preprocessing, scene).values()
        ]
        for scene in scenes
    ]
    names = _ways(classifier.preprocessing, scenes[0])
    return dict(zip(names, np.stack(rows, axis=1), strict=True))


def _best(classifier: Classifier, picture: Picture) -> Scores:
    best: Scores = classifier.engine.infer(picture.frames).probabilities.max(axis=0)
    return best


def _decoded(preprocessing: Preprocessing, file: bytes) -> Picture:
    decoder = Decoder(preprocessing, 100_000_000, PixelBudget(), "fast")
    picture = decoder.decode(Content(Stamp("", "", len(file), 0, 0), file, ""))
    assert isinstance(picture, Picture), picture
    return picture


def _as_few_wrong(scores: Scores, scenes: Sequence[Scene], wrong: float) -> str:
    """The share found at the lowest threshold, `ENOUGH` or higher, that lets so few wrong labels pass; and that one."""
    for threshold in np.arange(ENOUGH, 1, 0.01):
        if (found := Found.of(scores, scenes, float(threshold))).wrong <= wrong:
            return f"{found.enough:.0%} at {threshold:.2f}"
    return "none"


def _groups(scenes: Sequence[Scene], own: Preprocessing) -> dict[str, list[int]]:
    """Scenes of one kind, those on photos by size, and all that do not fill the frame by how much `center` sees."""
    groups: dict[str, list[int]] = {}
    for at, scene in enumerate(scenes):
        groups.setdefault(scene.kind, []).append(at)
        if scene.kind != "fills":
            place = _PLACES[min(int(scene.in_middle(own) * 3), 2)]
            groups.setdefault(f"anywhere, {place}", []).append(at)
        if scene.kind == "on a photo":
            third = min(int((scene.size - SIZES[0]) / (SIZES[1] - SIZES[0]) * 3), 2)
            groups.setdefault(f"on a photo, {('small', 'middling', 'large')[third]}", []).append(at)
    return groups


def _print_costs(classifier: Classifier, scenes: Sequence[Scene]) -> None:
    """Processor time, all threads together, so that a busy machine changes little."""
    print(f"\n{classifier.description}, processor time for a picture in ms\n")
    print("| crop | JPEG: decode | infer | PNG: decode | infer |\n|---|---|---|---|---|")
    files = [scene.file for scene in scenes]
    pngs = [_saved(Image.open(io.BytesIO(file)), "PNG", compress_level=3) for file in files]
    for name, how in _ways(classifier.preprocessing, scenes[0]).items():
        if name in get_args(Mode):
            times = (each for kind in (files, pngs) for each in _times(classifier, how, kind))
            print(f"| {name} | {' | '.join(f'{1000 * each:.1f}' for each in times)} |", flush=True)


def _times(
    classifier: Classifier, preprocessing: Preprocessing, files: Sequence[bytes]
) -> tuple[float, float]:
    """Seconds to decode and to infer one: the median of rounds over all."""
    decoding, inferring = [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        pictures = [_decoded(preprocessing, file) for file in files]
        decoded = time.process_time()
        classifier.classify(pictures)
        decoding.append((decoded - start) / len(files))
        inferring.append((time.process_time() - decoded) / len(files))
    return statistics.median(decoding), statistics.median(inferring)


def _opened(path: Path) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def _saved(image: Image.Image, form: str = "JPEG", **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **(options or {"quality": 90}))
    return file.getvalue()


if __name__ == "__main__":
    main()
