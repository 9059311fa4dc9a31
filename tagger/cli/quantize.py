"""`tagger models quantize` makes the int8 model, calibrated on pictures that are here."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tagger.config.settings import Settings
    from tagger.records import Picture, Stamp
    from tagger.vision.child_decoder import ChildDecoder
    from tagger.vision.models import Preprocessing
    from tagger.vision.quantize import Verdict


def quantize(
    images: Annotated[
        Path | None,
        typer.Option(help="A folder of pictures. Default: the config file's sources.", show_default=False),
    ] = None,
    min_agreement: Annotated[
        float,
        typer.Option(min=0, max=1, help="Keep it only if it agrees with fp32 on this share of pictures."),
    ] = 0.97,
    config: Config = None,
    database: Database = None,
) -> None:
    """Make the model's int8 version, which is faster, with up to 600 of your own pictures.

    Half of them calibrate it, the others judge it. To agree is to find the same top label, or one that fp32 gives
    a score within 0.03 of its own. Needs a CPU with VNNI or AMX, and Tagger's extra 'quantize'.
    """
    settings = load_settings(config, database, [images] if images else ())
    from tagger.config.folders import cache_home, data_home
    from tagger.errors import ConfigError, ModelError
    from tagger.runtime.model_choice import for_reading
    from tagger.vision import quantize as int8
    from tagger.vision.weights import resolve

    if not settings.sources:
        raise ConfigError("sources", "no pictures to calibrate on", "name a folder: --images FOLDER")
    int8.refuse_where_impossible()
    weights = resolve(for_reading(settings, data_home()).model, data_home())
    say("reading the pictures", err=True)
    pictures = _pictures(settings, weights.preprocessing, int8.MOST)
    verdict = int8.quantize(weights, pictures, data_home(), cache_home(), min_agreement)
    say(_told(verdict))
    if verdict.folder is None:
        what = f"it agrees on less than {min_agreement:.1%} of the pictures, so it is not kept"
        hint = "calibrate on more pictures, and more like yours: --images FOLDER; or do without int8"
        raise ModelError("the int8 model", what, hint)
    say(f"kept in {verdict.folder}")
    say("to use it, set engine.precision to int8 in the config", err=True)


def _pictures(settings: "Settings", preprocessing: "Preprocessing", most: int) -> "NDArray[np.uint8]":
    """Return up to `most` of the sources' pictures, in random order, each content once: N×H×W×3."""
    import heapq
    import random
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import closing

    import numpy as np

    from tagger.vision import cores
    from tagger.vision.child_decoder import ChildDecoder

    # The same pictures each time, so that the same model comes of them.
    rank = random.Random(0)  # noqa: S311
    chosen = heapq.nsmallest(most, _stamps(settings), key=lambda _: rank.random())
    with closing(ChildDecoder(settings.decode)) as children, ThreadPoolExecutor(cores.available()) as pool:
        decoded = pool.map(_decoding(settings, preprocessing, children), chosen)
        found = {picture.facts.sha256: picture.frames[0] for picture in decoded if picture}
    side = preprocessing.crop
    return np.array([*found.values()], np.uint8).reshape(-1, side, side, 3)


def _decoding(
    settings: "Settings", preprocessing: "Preprocessing", children: "ChildDecoder"
) -> "Callable[[Stamp], Picture | None]":
    """Return what reads and decodes a file, as the daemon does; it gives None for one that is no picture."""
    from tagger.records import Content, Picture
    from tagger.vision.budget import PixelBudget
    from tagger.vision.decode import Decoder, read

    limits, roots = settings.decode, {source.name: source.reach for source in settings.sources}
    decoder = Decoder(
        preprocessing,
        limits.max_pixels,
        PixelBudget(),
        limits.mode,
        max_frames=limits.max_frames,
        max_memory=limits.max_memory,
        children=children,
    )

    def decoded(stamp: "Stamp") -> "Picture | None":
        content = read(stamp, limits.max_bytes, roots)
        picture = decoder.decode(content) if isinstance(content, Content) else None
        return picture if isinstance(picture, Picture) else None

    return decoded


def _stamps(settings: "Settings") -> "Iterator[Stamp]":
    from tagger.ingest.filters import Filters
    from tagger.ingest.scan import walk
    from tagger.vision.decode import SUFFIXES

    filters = Filters(settings.sources, SUFFIXES)
    for source in settings.sources:
        try:
            for page in walk(source, filters):
                yield from page
        except OSError as error:
            say(f"tagger: {source.name}: cannot be read: {error.strerror}", err=True)


def _told(verdict: "Verdict") -> str:
    agreed = verdict.agreement
    judged = f"{agreed.pictures} others" if verdict.on_others else "the same ones, too few to set some apart"
    speeds = ", ".join(f"{precision} {speed:.0f}" for precision, speed in verdict.speeds.items())
    return (
        f"calibrated on {verdict.calibrated} pictures\n"
        f"agreement with fp32 {agreed.agreeing:.1%}, same top label {agreed.same_top1:.1%}, on {judged}\n"
        f"pictures per second: {speeds}"
    )
