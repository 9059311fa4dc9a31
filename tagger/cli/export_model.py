"""`tagger models export` writes the configured model to a file for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say


class ModelFormat(StrEnum):
    ONNX = "onnx"
    OPENVINO = "openvino"
    TORCHSCRIPT = "torchscript"


def export(
    form: Annotated[ModelFormat, typer.Option("--format", help="What to write.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            help="The file to write. Default: the model's name, in this folder.", show_default=False
        ),
    ] = None,
    config: Config = None,
    database: Database = None,
) -> None:
    """Write the configured model, always in fp32, to a file with its labels and preprocessing inside.

    The file is read back, and kept only if it gives the same scores as torch does.
    """
    settings = load_settings(config, database)
    from tagger.config.folders import cache_home, data_home
    from tagger.runtime.model_choice import for_reading
    from tagger.vision.export import SUFFIXES
    from tagger.vision.export import export as write
    from tagger.vision.weights import resolve

    weights = resolve(for_reading(settings, data_home()).model, data_home())
    path = output or Path(weights.architecture.name + SUFFIXES[form])
    write(weights, form, path, cache_home())
    side = weights.preprocessing.crop
    say(path)
    say(f"input: pictures, N×{side}×{side}×3 uint8, RGB (it normalises them itself)")
    say(f"outputs: probabilities, N×{len(weights.labels)}; features, the input of its last layer")
