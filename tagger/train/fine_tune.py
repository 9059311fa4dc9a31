"""A run of `tagger train`, from a folder of pictures to a file that `model.weights` takes."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
import torch

from tagger.config.settings import Settings
from tagger.config.tagging import ModelSettings
from tagger.errors import ConfigError
from tagger.train import checkpoint, confusion
from tagger.train.augment import Views
from tagger.train.learn import Learner
from tagger.train.network import Network
from tagger.train.pictures import DataSet, Progress, below, gathered
from tagger.train.reader import PictureReader
from tagger.train.recipe import Recipe
from tagger.train.report import TestResult, temperature
from tagger.train.teacher import Teacher
from tagger.vision import cores
from tagger.vision.memory import give_back_what_is_freed
from tagger.vision.weights import Weights, resolve
from tagger.wording.plural import counted

_NAMED = 10
"""Files that cannot be read are named up to this many, and all are counted."""
_WNID = re.compile(r"n\d{8}")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainTask:
    """What a run is asked for. `teacher` and the folder `unlabelled` are both there, or neither."""

    data: Path
    model: str
    out: Path
    recipe: Recipe
    resumes: bool = False
    teacher: ModelSettings | None = None
    unlabelled: Path | None = None

    @property
    def labels_file(self) -> Path:
        """Return the file beside the weights that says what their classes are."""
        return self.out.with_suffix(".json")

    @property
    def picture(self) -> Path:
        """Return the file of the confusion table."""
        return self.out.with_name(f"{self.out.stem}.confusion.png")


def train(task: TrainTask, settings: Settings, home: Path, progress: Progress, tell: Tell) -> TestResult:
    """Return how good the network became that is then in `task.out`. Raises TaggerError, which says how to go on.

    What happens meanwhile is told in sentences. Only `task`'s own files are written, each whole or not at all.
    """
    _refuse_what_is_there(task)
    give_back_what_is_freed()
    torch.set_num_threads(cores.allowed(settings.limits.cores))
    weights = resolve(ModelSettings(name=task.model), home)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tell(f"{task.model} learns on {device.type}; it begins with {_beginning(task.recipe, weights)}")
    teaches = resolve(task.teacher, home) if task.teacher else None
    with PictureReader(settings.decode, weights.preprocessing) as reader:
        data = gathered(task.data, reader, progress)
        _tell_of(data, tell)
        _tell_unreadable(reader.unreadable, tell)
        teacher = _teacher(task, teaches, data, device)
        network = _network(task, weights, data, teacher).to(device).to(memory_format=torch.channels_last)
        views = Views(weights.preprocessing, device)
        learner = Learner(network, data, task.recipe, views, reader, teacher)
        before = set(reader.unreadable)
        _learn(learner, task, _run(task, weights, data, teacher), progress, tell)
        result = _finished(learner, task, weights, data)
        _tell_unreadable({path: why for path, why in reader.unreadable.items() if path not in before}, tell)
        return result


def _refuse_what_is_there(task: TrainTask) -> None:
    """Raise ConfigError before the first picture is read where the result could not be written, or would overwrite something."""
    if task.out.suffix != ".safetensors":
        raise ConfigError(str(task.out), "is written as safetensors", "name a file that ends in .safetensors")
    if not task.out.parent.is_dir():
        raise ConfigError(str(task.out), "there is no such folder", "make it first, or check the name")
    kept = checkpoint.beside(task.out)
    if task.resumes != kept.exists():
        what = "there is no checkpoint to go on from" if task.resumes else "an earlier run got that far"
        hint = "leave out --resume" if task.resumes else "--resume goes on from it; delete it to begin anew"
        raise ConfigError(str(kept), what, hint)
    for there in (task.out, *(() if task.resumes else (task.labels_file, task.picture))):
        if there.exists():
            raise ConfigError(str(there), "is there already", "name another --out, or move it away")


def _beginning(recipe: Recipe, weights: Weights) -> str:
    if recipe.from_scratch:
        return f"chance numbers, and sees pictures as {weights.description} does"
    return weights.description


def _tell_of(data: DataSet, tell: Tell) -> None:
    learned, stopping, judging = (f"{len(part):,}" for part in (data.training, data.validation, data.test))
    tell(f"{counted(data.count, 'picture')} of {len(data.labels)} labels, {data.different:,} different")
    tell(f"{learned} to learn from, {stopping} to say when to stop, {judging} to be judged by")
    if data.left_out:
        tell(f"{counted(data.left_out, 'picture')} left out, which look nearly like some that stop or judge")
    if data.copies:
        tell(f"{counted(data.copies, 'file')} left out, which are copies of others")
    if data.of_one_look:
        few = "too few different pictures to keep those apart that look nearly the same"
        tell(f"{', '.join(data.of_one_look)}: {few}; it will seem better than it is")


def _tell_unreadable(unreadable: Mapping[str, str], tell: Tell) -> None:
    if unreadable:
        tell(f"{counted(len(unreadable), 'file')} cannot be read, nor learned from:")
    for path, reason in list(unreadable.items())[:_NAMED]:
        tell(f"  {path}: {reason}")


def _teacher(task: TrainTask, weights: Weights | None, data: DataSet, device: torch.device) -> Teacher | None:
    if weights is None or task.unlabelled is None:
        return None
    files = [*below(task.unlabelled)]
    if not files:
        raise ConfigError(str(task.unlabelled), "there is no picture in it", "name a folder of pictures")
    return Teacher(weights, data.labels, files, device)


def _network(task: TrainTask, weights: Weights, data: DataSet, teacher: Teacher | None) -> Network:
    torch.manual_seed(0)  # the last layer's first numbers
    network = Network(weights.architecture.name, len(data.labels), teacher.taught if teacher else 0)
    if not task.recipe.from_scratch:
        network.begin_with(weights)
    return network


def _run(task: TrainTask, weights: Weights, data: DataSet, teacher: Teacher | None) -> Mapping[str, str]:
    """Return what a checkpoint must have been made with to be gone on from."""
    parts = [[one.sha256 for one in part] for part in (data.training, data.validation, data.test)]
    return {
        "pictures or division of them": hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
        "labels": json.dumps(data.labels),
        "model": f"{weights.identity}",
        "options": json.dumps(asdict(task.recipe)),
        "teacher": teacher.identity if teacher else "",
    }


def _learn(learner: Learner, task: TrainTask, run: Mapping[str, str], progress: Progress, tell: Tell) -> None:
    file = checkpoint.beside(task.out)
    if task.resumes:
        learner.go_on_from(*checkpoint.read(file, run))
        tell(f"goes on after epoch {learner.course.epochs}")
    while not learner.is_done:
        learner.learn_an_epoch(progress)
        checkpoint.write(file, run, learner.tensors(), learner.course)
        now = learner.course
        which = "last layer" if now.epochs <= task.recipe.frozen else "all layers"
        best = ", the best so far" if now.best_epoch == now.epochs else ""
        tell(
            f"epoch {now.epochs} of {task.recipe.epochs}, {which}: loss {now.loss:.3f}, {now.right:.1%} right{best}"
        )


def _finished(learner: Learner, task: TrainTask, weights: Weights, data: DataSet) -> TestResult:
    """Write the best epoch's model; the weights last, so that whoever finds them finds all. Then the checkpoint is not needed."""
    learner.take_the_best()
    scaled = temperature(*learner.judged(data.validation))
    result = TestResult.of(data.labels, *learner.judged(data.test), data.of_one_look)
    tensors = safetensors.torch.save(dict(learner.network.numbers()))
    checkpoint.put(task.picture, confusion.png(result))
    checkpoint.put(task.labels_file, _labels(data.labels, weights, scaled, tensors))
    checkpoint.put(task.out, tensors)
    checkpoint.beside(task.out).unlink(missing_ok=True)
    return result


def _labels(labels: Sequence[str], weights: Weights, scaled: float, tensors: bytes) -> bytes:
    """Return the JSON beside the weights. A folder that is called by a WordNet id has that class's label."""
    classes = [{"name": one} | ({"wnid": one} if _WNID.fullmatch(one) else {}) for one in labels]
    seen = {name: one for name, one in asdict(weights.preprocessing).items() if name != "frame"}
    document = {
        "classes": classes,
        "preprocessing": seen,
        "temperature": scaled,
        "sha256": hashlib.sha256(tensors).hexdigest(),
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode()
