"""People fine-tune a network on labels of their own, with the command as it is used."""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from tests.e2e.command import running, tagger

pytestmark = pytest.mark.long

COLOURS = {"warm": (220, 60, 40), "cold": (40, 60, 220)}
REAL = {"TAGGER_ENGINE__BACKEND": "auto", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With two labels that anybody can tell apart."""
    for label, colour in COLOURS.items():
        painted(tmp_path / "mood" / label, colour, 10)
    return tmp_path


def painted(folder: Path, colour: tuple[int, int, int], count: int) -> None:
    chance = np.random.default_rng(sum(colour))
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.clip(chance.normal(colour, 30, (60, 80, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def train(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    few = ("--data", home / "mood", "--model", "resnet18", "--batch-size", 8)
    return tagger(home, "train", *few, *arguments, **REAL)


def test_what_it_makes_tags_pictures(home: Path) -> None:
    (home / "mood" / "warm" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    said = train(home, "--epochs", 3)
    assert said.returncode == 0, said.stderr
    assert "begins with built-in resnet18" in said.stderr
    assert "1 file cannot be read" in said.stderr and "torn.jpg" in said.stderr
    assert (
        "20 pictures of 2 labels, 20 different\n12 to learn from, 4 to say when to stop, 4 to be"
        in said.stderr
    )
    assert "epoch 1 of 3, last layer" in said.stderr and "epoch 2 of 3, all layers" in said.stderr
    assert "of 4 different pictures that it did not learn from" in said.stdout
    with Image.open(home / "mood.confusion.png") as table:
        assert table.format == "PNG"
    assert not (home / "mood.checkpoint.safetensors").exists()
    weights = f"model: {{name: resnet18, weights: {home}/mood.safetensors}}"
    assert weights in said.stdout
    (home / "config.yaml").write_text(weights)
    tagged = tagger(home, "tag", home / "mood/warm/0.png", "-c", home / "config.yaml", "--json", **REAL)
    assert tagged.returncode == 0, tagged.stderr
    assert '"warm"' in tagged.stdout and '"cold"' in tagged.stdout


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(home: Path) -> None:
    few = ("--data", home / "mood", "--model", "resnet18", "--batch-size", 8, "--epochs", 4, "--resume")
    with running(home, *few[:-1], command="train", first="epoch 1 of 4", **REAL) as run:
        assert run.stop(signal.SIGINT) == 130
    assert "the same command with --resume goes on" in run.log
    refused = train(home, "--epochs", 4)
    assert refused.returncode == 2 and "--resume goes on from it" in refused.stderr
    another = train(home, "--epochs", 5, "--resume")
    assert another.returncode == 3 and "a checkpoint of another run: other options" in another.stderr
    said = tagger(home, "train", *few, **REAL)
    assert said.returncode == 0, said.stderr
    assert "goes on after epoch" in said.stderr
    assert train(home, "--epochs", 4, "--out", "straight.safetensors").returncode == 0
    resumed, straight = load_file(home / "mood.safetensors"), load_file(home / "straight.safetensors")
    assert resumed.keys() == straight.keys()
    assert all(np.allclose(one, straight[name], atol=1e-4) for name, one in resumed.items())


def test_a_teacher_teaches_by_pictures_without_labels(home: Path) -> None:
    painted(home / "more" / "deep", (90, 90, 90), 4)
    (home / "more" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    said = train(home, "--epochs", 1, "--teacher", "efficientnet_lite0", "--unlabelled", home / "more")
    assert said.returncode == 0, said.stderr
    assert "1 file cannot be read" in said.stderr and "torn.jpg" in said.stderr
    assert len(json.loads((home / "mood.json").read_text())["classes"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--teacher", "efficientnet_lite0"), "needs --unlabelled DIR"),
        (("--resume",), "there is no checkpoint to go on from"),
        (("--out", "mood.pth"), "ends in .safetensors"),
        (("--out", "nowhere/mood.safetensors"), "there is no such folder"),
        (("--teacher", "efficientnet_lite9", "--unlabelled", "mood"), "no such model"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(home: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = train(home, *arguments)
    assert refused.returncode in (2, 3)
    assert said in refused.stderr
    assert not [*home.glob("*.safetensors")]


def test_a_model_that_is_there_is_not_overwritten(home: Path) -> None:
    (home / "mood.safetensors").write_bytes(b"precious")
    refused = train(home)
    assert refused.returncode == 2 and "is there already" in refused.stderr
    assert (home / "mood.safetensors").read_bytes() == b"precious"


def test_a_teacher_without_one_readable_picture_is_refused(home: Path) -> None:
    (home / "more").mkdir()
    (home / "more" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    refused = train(home, "--epochs", 1, "--teacher", "efficientnet_lite0", "--unlabelled", home / "more")
    assert refused.returncode == 3
    assert "none of the pictures in it can be read" in refused.stderr
