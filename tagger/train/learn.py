"""The epochs: AdamW, a cosine of learning rates, the last layer first and then all of them, until it stops getting better.

The last layer begins as noise, and what noise asks of the body would spoil it: so the body is frozen for the first fifth. Which epoch was
the best is told by the loss on pictures that are not learned from; accuracy on a few dozen of them jumps by whole per cents.
Whatever is drawn by chance follows from the epoch's number, so a run that was interrupted goes on as if it had not been.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tagger.errors import ModelError
from tagger.train.augment import Views
from tagger.train.checkpoint import TrainingCourse
from tagger.train.division import LabelledPicture
from tagger.train.network import Network
from tagger.train.pictures import DataSet, Progress
from tagger.train.reader import PictureReader
from tagger.train.recipe import Recipe
from tagger.train.teacher import Teacher

HEAD_RATE = 10
"""The last layer's learning rate, in that of the body: it has all to learn, and the body little."""
_DECAY = 0.01
_SMOOTHING = 0.1
_BEGIN_ANEW = "delete it to begin anew"


class Learner:
    """A network on its way through a recipe. `course` says how far it is."""

    def __init__(
        self,
        network: Network,
        data: DataSet,
        recipe: Recipe,
        views: Views,
        reader: PictureReader,
        teacher: Teacher | None,
    ) -> None:
        self.network, self.course = network, TrainingCourse()
        self._data, self._recipe, self._views, self._reader = data, recipe, views, reader
        self._teacher = teacher
        self._optimizer = _optimizer(network, recipe)
        self._best: Mapping[str, Tensor] = {}

    @property
    def is_done(self) -> bool:
        """Return whether all epochs are over, or too many have passed without a better one."""
        since = self.course.epochs - max(self.course.best_epoch, self._recipe.frozen)
        return self.course.epochs >= self._recipe.epochs or since >= self._recipe.patience

    def learn_an_epoch(self, progress: Progress) -> None:
        """Learn from each picture once, and see how good that is. Raises ModelError where it diverges or nothing can be read."""
        number = self.course.epochs + 1
        loss = self._epoch(number - 1, progress)
        logits, truth = self.judged(self._data.validation)
        stopping = float(functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(truth)))
        if not math.isfinite(loss + stopping):
            hint = f"take a lower --learning-rate than {self._recipe.rate:g}"
            raise ModelError("tagger train", f"its loss came to no number in epoch {number}", hint)
        right = float((logits.argmax(1) == truth).mean())
        self.course = replace(self.course, epochs=number, loss=loss, right=right)
        if stopping < self.course.best_loss:
            self.course = replace(self.course, best_epoch=number, best_loss=stopping)
            self._best = _copied(self.network)

    def judged(self, pictures: Sequence[LabelledPicture]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits and true labels of pictures, seen as inference sees them. Raises ModelError where none can be read."""
        self.network.eval()
        said, truth = [], []
        with torch.inference_mode():
            for images, labels in self._batches(_in_batches(pictures, self._recipe.batch)):
                said.append(self.network(self._views.normalised(self._views.plain(images)))[0].cpu().numpy())
                truth.append(labels.cpu().numpy())
        if not said:
            raise _nothing_left()
        return np.concatenate(said), np.concatenate(truth)

    def take_the_best(self) -> None:
        """Go back to the epoch that was best."""
        self.network.load_state_dict(self._best)

    def tensors(self) -> Mapping[str, Tensor]:
        """Return all that it takes to go on from here."""
        memory = self._optimizer.state_dict()["state"]
        return {
            **{f"network.{name}": one for name, one in _copied(self.network).items()},
            **{f"best.{name}": one for name, one in self._best.items()},
            **{
                f"optimizer.{at}.{name}": one.cpu().contiguous()
                for at, of in memory.items()
                for name, one in of.items()
            },
        }

    def go_on_from(self, tensors: Mapping[str, Tensor], course: TrainingCourse) -> None:
        """Take up what `tensors` returned. Raises ModelError where they are not of this network."""
        try:
            self.network.load_state_dict(_part(tensors, "best."))
            self._best = _copied(self.network)
            self.network.load_state_dict(_part(tensors, "network."))
            memory: dict[int, dict[str, Tensor]] = {}
            for name, one in _part(tensors, "optimizer.").items():
                at, _, inner = name.partition(".")
                memory.setdefault(int(at), {})[inner] = one
            groups = self._optimizer.state_dict()["param_groups"]
            self._optimizer.load_state_dict({"state": memory, "param_groups": groups})
        except (KeyError, ValueError, RuntimeError):
            raise ModelError("the checkpoint", "its tensors are not of this network", _BEGIN_ANEW) from None
        self.course = course

    def _epoch(self, epoch: int, progress: Progress) -> float:
        """Learn from all training pictures, and as often as it takes for a teacher's to be seen once; return the mean loss."""
        chance = torch.Generator().manual_seed(epoch)
        self.network.freeze(epoch < self._recipe.frozen)
        batches = self._drawn(chance)
        steps = max(len(batches), self._teacher.steps(self._recipe.batch) if self._teacher else 0)
        drawn = self._batches(itertools.islice(itertools.cycle(batches), steps))
        losses: list[float] = []
        taught = 0
        for pictures, lesson in zip(drawn, self._lessons(steps, chance), strict=False):
            self._set_rate((epoch + len(losses) / steps) / self._recipe.epochs)
            losses.append(self._step(*pictures, lesson, chance))
            taught += len(lesson)
            progress(f"epoch {epoch + 1} of {self._recipe.epochs}", len(losses), steps)
        if not losses:
            raise _nothing_left()
        if self._teacher and not taught:
            what = "none of the pictures in it can be read"
            raise ModelError("--unlabelled", what, "name a folder of pictures")
        return sum(losses) / len(losses)

    def _lessons(self, steps: int, chance: torch.Generator) -> Iterator[list[NDArray[np.uint8]]]:
        """Return what the teacher teaches by in each step; nothing where there is no teacher."""
        if self._teacher is None:
            return itertools.repeat([], steps)
        return self._teacher.lessons(self._recipe.batch, steps, chance, self._reader)

    def _drawn(self, chance: torch.Generator) -> list[Sequence[LabelledPicture]]:
        """Return the training pictures in batches, in an order drawn by chance."""
        order = torch.randperm(len(self._data.training), generator=chance).tolist()
        return _in_batches([self._data.training[at] for at in order], self._recipe.batch)

    def _step(
        self, images: Tensor, labels: Tensor, lesson: Sequence[NDArray[np.uint8]], chance: torch.Generator
    ) -> float:
        self._optimizer.zero_grad()
        with self._reduced():
            logits, _ = self.network(self._views.normalised(self._views.changed(images, chance)))
            loss = functional.cross_entropy(logits, labels, label_smoothing=_SMOOTHING)
            if self._teacher and lesson:
                seen = self._views.changed(self._views.moved(lesson), chance)
                loss = loss + self._teacher.loss(seen, self.network(self._views.normalised(seen)))
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return float(loss.detach())

    def _reduced(self) -> torch.autocast:
        """Return where to compute in bf16: on a GPU, which is made for it, and not on a CPU, where it depends."""
        kind = self._views.device.type
        return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")

    def _set_rate(self, part: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = group["times"] * self._recipe.rate_at(part)

    def _batches(self, batches: Iterable[Sequence[LabelledPicture]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield squares from 0 to 1 and labels; a picture that cannot be read any more is left out."""
        wanted, read = itertools.tee(batches)
        seen = self._reader.ahead([one.path for one in batch] for batch in read)
        for batch, squares in zip(wanted, seen, strict=True):
            there = [(one.label, square.pixels) for one, square in zip(batch, squares, strict=True) if square]
            if there:
                labels = torch.tensor([label for label, _ in there], device=self._views.device)
                yield self._views.moved([pixels for _, pixels in there]), labels


def _optimizer(network: Network, recipe: Recipe) -> torch.optim.AdamW:
    heads = [*network.head.parameters(), *(network.taught.parameters() if network.taught else ())]
    groups = [{"params": [*network.body.parameters()], "times": 1.0}, {"params": heads, "times": HEAD_RATE}]
    return torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=_DECAY)


def _in_batches(pictures: Sequence[LabelledPicture], size: int) -> list[Sequence[LabelledPicture]]:
    return [pictures[first : first + size] for first in range(0, len(pictures), size)]


def _copied(network: Network) -> Mapping[str, Tensor]:
    return {name: one.detach().cpu().contiguous().clone() for name, one in network.state_dict().items()}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}


def _nothing_left() -> ModelError:
    return ModelError(
        "tagger train", "none of the pictures can be read any more", "see that they are still there"
    )
