"""`tagger train` fine-tunes a network on thousands of pictures of the user's own labels."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.cli.logs import log_to_stderr
from tagger.cli.options import Config, load_settings
from tagger.cli.output import say
from tagger.cli.progress import progress
from tagger.errors import ConfigError
from tagger.host import garbage

if TYPE_CHECKING:
    from tagger.config.tagging import ModelSettings
    from tagger.train.fine_tune import TrainTask


class Trainable(StrEnum):
    RESNET18 = "resnet18"
    EFFICIENTNET_LITE0 = "efficientnet_lite0"


def train(
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="A folder of folders, one for each label.", show_default=False),
    ],
    model: Annotated[Trainable, typer.Option(help="The network that learns.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The weights file to write. Default: DIR's name and .safetensors, in this folder.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, max=10_000, help="How often it sees each picture at most.")
    ] = 20,
    batch_size: Annotated[
        int, typer.Option(min=2, max=4096, help="Pictures that it learns from at a time.")
    ] = 32,
    learning_rate: Annotated[
        float, typer.Option(min=1e-8, max=1, help="The highest one; ten times that for the last layer.")
    ] = 3e-4,
    patience: Annotated[
        int, typer.Option(min=1, max=10_000, help="Stop after so many epochs without a better one.")
    ] = 5,
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", help="Begin with chance numbers, not with the weights that are here."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was interrupted.")
    ] = False,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Learn from this model, too: a name of `tagger models list`, or NAME:WEIGHTS.",
            show_default=False,
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The pictures that the teacher teaches by.", show_default=False),
    ] = None,
    config: Config = None,
) -> None:
    """Fine-tune a network on your own labels, some hundreds of pictures for each, and say how good it became.

    For a few pictures of each label, tagger teach is better and takes seconds. A GPU is used where torch finds one. What
    comes of it is for model.weights in the config. Ctrl-C keeps the last whole epoch. See docs/train.md.
    """
    settings = load_settings(config, None)
    log_to_stderr("warning", settings.log_format)
    from tagger.config.folders import data_home
    from tagger.train.fine_tune import TrainTask, train
    from tagger.train.recipe import Recipe

    garbage.look_for()
    task = TrainTask(
        data=data,
        model=model.value,
        out=out or Path(f"{data.resolve().name}.safetensors"),
        recipe=Recipe(epochs, batch_size, learning_rate, patience, from_scratch),
        resumes=resume,
        teacher=_teacher(teacher, unlabelled),
        unlabelled=unlabelled,
    )
    try:
        with progress() as show:
            result = train(task, settings, data_home(), show, lambda line: say(line, err=True))
    except KeyboardInterrupt:
        _say_how_to_resume(task)
        raise typer.Exit(130) from None
    for line in result.lines():
        say(line)
    say(f"the confusion table: {task.picture}")
    say(f"to use it, put this into the config: model: {{name: {model.value}, weights: {task.out.resolve()}}}")


def _teacher(name: str | None, unlabelled: Path | None) -> "ModelSettings | None":
    from tagger.config.tagging import ModelSettings

    if (name is None) != (unlabelled is None):
        raise ConfigError(
            "--teacher", "needs --unlabelled DIR, and that needs a teacher", "give both or neither"
        )
    if name is None:
        return None
    model, _, weights = name.partition(":")
    return ModelSettings(name=model, weights=str(Path(weights).absolute()) if weights else "auto")


def _say_how_to_resume(task: "TrainTask") -> None:
    from tagger.train import checkpoint

    kept = checkpoint.beside(task.out)
    if kept.exists():
        say(f"interrupted; {kept} has the last whole epoch: the same command with --resume goes on", err=True)
    else:
        say("interrupted before the first epoch was over; nothing is kept", err=True)
