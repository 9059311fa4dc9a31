"""Whether `fast` decoding gives the tags that `exact` gives, and what each costs. `python -m benchmarks.decode`

Needs TAGGER_PHOTOS. Photos are judged as they are, and enlarged to 2.8 and 12 megapixels with everything added that could
alias when a decoder skips detail: noise in three octaves, a weave of a few pixels, grain in every pixel, edges
sharpened. Enlarging alone would leave nothing there to alias. Scores are the default model's, in fp32.
"""

import io
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tagger.config.folders import cache_home, data_home
from tagger.config.settings import Settings
from tagger.config.tagging import EngineSettings, ModelSettings
from tagger.records import Content, Picture, Stamp
from tagger.vision.agreement import untempered
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import Decoder, Mode
from tagger.vision.load import load_classifier
from tagger.vision.models import Preprocessing, named

MODES: tuple[Mode, ...] = get_args(Mode)
NEAR = 0.03
"""Two labels whose scores differ by no more than this are as good as each other."""
TIMED, ROUNDS = 8, 5
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How many of `pictures` got the same first label, and how many the same or one within NEAR of it."""

    pictures: int
    same: int
    agreeing: int

    @classmethod
    def of(cls, exact: Scores, fast: Scores) -> "Agreement":
        rows = np.arange(len(exact))
        one, other = exact.argmax(axis=1), fast.argmax(axis=1)
        lost = np.maximum(exact[rows, one] - exact[rows, other], fast[rows, other] - fast[rows, one])
        return cls(len(rows), int((one == other).sum()), int((lost <= NEAR).sum()))


def main() -> None:
    photos = sorted(Path(os.environ["TAGGER_PHOTOS"]).glob("*.jpg"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    _print_agreement(photos)
    _print_times(photos[:: max(1, len(photos) // TIMED)][:TIMED])


def _print_agreement(photos: Sequence[Path]) -> None:
    """With the default model, on its scores as they are before a temperature draws them apart."""
    settings = Settings(
        model=ModelSettings(name="efficientnet_lite0"), engine=EngineSettings(precision="fp32")
    )
    classifier = load_classifier(settings, data_home(), cache_home())
    inputs = (classifier.preprocessing,)
    print("| pictures | input | agreement | same top-1 | largest change of a score |\n|---|---|---|---|---|")
    large = {
        f"{size / 1e6:.1f} MP, textured": partial(textured, size=size) for size in (2_800_000, 12_000_000)
    }
    for name, of in ({"as they are": Path.read_bytes} | large).items():
        rows = [_scores(classifier, inputs, of(photo)) for photo in photos]
        for preprocessing, scores in zip(inputs, zip(*rows, strict=True), strict=True):
            exact, fast = np.stack(scores, axis=1)
            found, change = Agreement.of(exact, fast), float(np.abs(exact - fast).max())
            print(
                f"| {name} | {preprocessing.crop} | {found.agreeing / found.pictures:.1%} "
                f"| {found.same / found.pictures:.1%} | {change:.3f} |",
                flush=True,
            )


def _scores(classifier: Classifier, inputs: Iterable[Preprocessing], file: bytes) -> list[Scores]:
    """For each input, the scores of the file's pixels in each mode: modes × labels."""
    sized = [[_decoder(preprocessing, mode)(file).frames[0] for mode in MODES] for preprocessing in inputs]
    temperature = named(classifier.identity.name).temperature
    return [
        untempered(classifier.engine.infer(np.stack(pixels)).probabilities, temperature) for pixels in sized
    ]


def _decoder(preprocessing: Preprocessing, mode: Mode) -> Callable[[bytes], Picture]:
    decoder = Decoder(preprocessing, 100_000_000, PixelBudget(), mode)

    def decode(file: bytes) -> Picture:
        picture = decoder.decode(Content(Stamp("", "", len(file), 0, 0), file, ""))
        assert isinstance(picture, Picture), picture
        return picture

    return decode


def textured(photo: Path, size: int = 12_000_000) -> bytes:
    """The photo, of so many pixels, with fine texture, as a JPEG of quality 95."""
    image = _enlarged(photo, size).filter(ImageFilter.UnsharpMask(3, 150, 0))
    rng = np.random.default_rng(len(photo.name))
    pixels = np.asarray(image, np.float32) + _texture(image.height, image.width, rng)[..., np.newaxis]
    return _saved(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), "JPEG", quality=95)


def _texture(height: int, width: int, rng: np.random.Generator) -> Scores:
    """Brightness to add: grain of 8, octaves of 8 each at 2, 4 and 8 pixels, a weave of 12 that is 3 pixels wide."""
    texture = 8 * rng.standard_normal((height, width), np.float32)
    for octave in (2, 4, 8):
        coarse = 8 * rng.standard_normal((height // octave, width // octave), np.float32)
        texture += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    along, across = (np.arange(side, dtype=np.float32) * (2 * math.pi / 3.1) for side in (height, width))
    texture += 12 * np.sin(along)[:, np.newaxis] * np.sin(across)
    return texture


def _enlarged(photo: Path, pixels: int) -> Image.Image:
    image = Image.open(photo).convert("RGB")
    factor = math.sqrt(pixels / (image.width * image.height))
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def _saved(image: Image.Image, form: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _print_times(photos: Sequence[Path]) -> None:
    print("\n| ms a picture | threads |", " | ".join(MODES), "|\n|---|---|" + "---|" * len(MODES))
    preprocessing = Preprocessing(256, 224, "bilinear", (0, 0, 0), (1, 1, 1))
    decoders = [_decoder(preprocessing, mode) for mode in MODES]
    for name, of in _KINDS.items():
        files = [of(photo) for photo in photos]
        for threads in (1, 2):
            with ThreadPoolExecutor(threads) as pool:
                rounds = [[_took(pool, decoder, files) for decoder in decoders] for _ in range(ROUNDS)]
            medians = (statistics.median(times) for times in zip(*rounds, strict=True))
            print(f"| {name} | {threads} |", " | ".join(f"{time:.1f}" for time in medians), "|", flush=True)


_KINDS: dict[str, Callable[[Path], bytes]] = {
    "JPEG, as it is": Path.read_bytes,
    "JPEG, 1080p": lambda photo: _saved(_enlarged(photo, 1920 * 1080), "JPEG", quality=90),
    "JPEG, 12 MP": textured,
    "PNG, 1080p": lambda photo: _saved(_enlarged(photo, 1920 * 1080), "PNG"),
}


def _took(pool: ThreadPoolExecutor, decoder: Callable[[bytes], Picture], files: Sequence[bytes]) -> float:
    start = time.perf_counter()
    for _ in pool.map(decoder, files):
        pass
    return (time.perf_counter() - start) * 1000 / len(files)


if __name__ == "__main__":
    main()
