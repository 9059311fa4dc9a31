"""People teach labels of their own, with the command as it is used."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.command import environment, on_a_terminal, rows, running, tagger

pytestmark = pytest.mark.long

WARM = {"red": (255, 0, 0), "orange": (255, 130, 0), "pink": (255, 0, 130)}
COLD = {"blue": (0, 0, 255), "violet": (130, 0, 255), "sky": (0, 130, 255)}
LABELS = "SELECT path, label FROM head_tags WHERE head = 'mood' ORDER BY path"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With examples of two labels, and a library that nobody has labelled."""
    for label, colours in (("warm", WARM), ("cold", COLD)):
        painted(tmp_path / "shots" / label, colours)
    painted(tmp_path / "inbox", {"ruby": (230, 20, 20), "navy": (10, 10, 200), "grass": (0, 255, 0)})
    configure(tmp_path)
    return tmp_path


def painted(folder: Path, colours: dict[str, tuple[int, int, int]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, colour in colours.items():
        Image.new("RGB", (64, 48), colour).save(folder / f"{name}.png")


def configure(home: Path, more: str = "") -> None:
    (home / "config.yaml").write_text(f"sources: [inbox]\ndatabase: tags.db\n{more}")


def run(home: Path, *arguments: object):  # type: ignore[no-untyped-def]
    return tagger(home, *arguments, "--config", home / "config.yaml")


def labels(home: Path) -> dict[str, str]:
    return {Path(path).name: label for path, label in rows(home / "tags.db", LABELS)}


def test_it_says_how_well_it_went_and_what_to_do_next(home: Path) -> None:
    said = run(home, "teach", "mood", "--from", home / "shots")
    assert (said.returncode, said.stderr) == (0, "")
    for words in (
        "6 given, 6 different",
        "warm",
        "right:",
        "Tag pictures of other things",
        "examples of its own: give some as none",
    ):
        assert words in said.stdout
    assert "put heads: [mood] into the config; then tagger scan or tagger run" in said.stdout
    configure(home, "heads: [mood]\n")
    assert "3 new" in run(home, "scan").stdout
    assert {name: label for name, label in labels(home).items() if name != "grass.png"} == {
        "ruby.png": "warm",
        "navy.png": "cold",
    }
    again = run(home, "teach", "mood", "--none", "green")
    assert "tagger scan or tagger run labels 3 pictures that are tagged already" in again.stdout
    run(home, "scan")
    assert labels(home)["grass.png"] == "none"


def test_queries_and_a_file_give_examples_too(home: Path) -> None:
    run(home, "scan")
    (home / "examples.yaml").write_text("warm: shots/warm\ngreen: {zh: 绿, query: 'path:**/grass.png'}\n")
    said = run(home, "teach", "mood", "--examples", home / "examples.yaml", "--label", "cold=blue")
    assert (said.returncode, said.stderr) == (0, "")
    assert "5 given" in said.stdout
    assert rows(home / "tags.db", "SELECT name_zh FROM label WHERE key = 'mood/green'") == [("绿",)]
    nothing = run(home, "teach", "mood", "--label", "cold=path:**/nowhere/**")
    assert nothing.returncode == 2
    assert "no tagged picture is found" in nothing.stderr


def test_pictures_are_suggested_that_nobody_has_labelled(home: Path) -> None:
    run(home, "teach", "mood", "--from", home / "shots")
    assert "nothing" not in run(home, "teach", "mood", "--suggest", "2").stdout
    run(home, "scan")
    said = run(home, "teach", "mood", "--suggest", "2")
    assert [Path(line).parent for line in said.stdout.splitlines()] == [home / "inbox"] * 2
    assert run(home, "teach", "other", "--suggest", "2").returncode == 2


def test_wrong_use_ends_with_a_sentence_and_leaves_nothing(home: Path) -> None:
    (home / "empty").mkdir()
    for arguments, words in (
        (("Mood", "--from", "shots"), "no name of a head"),
        (("mood",), "has no examples of any label yet"),
        (("mood", "--from", "empty"), "there is no folder in it"),
        (("mood", "--from", "nowhere"), "cannot be read"),
        (("mood", "--from", "shots", "--recall", "warm"), "--recall"),
        (("mood", "--label", "a/b=red"), "has no /"),
    ):
        said = run(home, "teach", *arguments)
        assert said.returncode == 2, said
        assert words in said.stderr
        assert "Traceback" not in said.stderr
        assert not (home / "heads").exists()


def test_an_interruption_leaves_what_was_there(home: Path) -> None:
    run(home, "teach", "mood", "--from", home / "shots")
    before = (home / "heads/mood.json").read_bytes()
    painted(home / "more/warm", {"rose": (255, 120, 120)})
    taught = ("mood", "--config", home / "config.yaml", "--from", home / "more")
    with running(home, *taught, command="teach", until="", TAGGER_FAILPOINTS="decode=stop:1") as teaching:
        teaching.wait_until_stopped()
        teaching.process.send_signal(signal.SIGINT)
        teaching.go_on()
        assert teaching.end() == 130
    assert "Traceback" not in teaching.log
    assert (home / "heads/mood.json").read_bytes() == before
    assert len(list((home / "heads").iterdir())) == 2
    assert rows(home / "tags.db", "SELECT count(*) FROM verdict") == [(6,)]


def test_a_terminal_shows_how_far_it_is(home: Path) -> None:
    seen = on_a_terminal(home, "teach", "mood", "--from", home / "shots", "--config", home / "config.yaml")
    assert "looking at" in seen
    assert "6 given, 6 different" in seen


def test_a_running_daemon_labels_by_what_was_learned_meanwhile(home: Path) -> None:
    configure(home, "heads: [mood]\n")
    with running(home, "--config", home / "config.yaml") as daemon:
        said = run(home, "teach", "mood", "--from", home / "shots")
        assert "the running tagger labels" in said.stdout
        daemon.wait_for("head mood: .* labelled")
        assert daemon.stop(signal.SIGTERM) == 0
    assert labels(home)["ruby.png"] == "warm"


def test_status_tells_of_heads_and_what_they_label(home: Path) -> None:
    configure(home, "heads: [mood]\n")
    run(home, "teach", "mood", "--from", home / "shots")
    assert "head mood  2 labels, 6 examples, labels nothing\n" in run(home, "status").stdout
    run(home, "scan")
    assert "head mood  2 labels, 6 examples, labels inbox\n" in run(home, "status").stdout


def test_without_scikit_learn_the_extra_is_named(home: Path) -> None:
    command = "import sys; sys.modules['sklearn'] = None; from tagger.cli import main; main()"
    said = subprocess.run(
        [sys.executable, "-c", command, "teach", "mood", "--from", home / "shots"],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 3
    assert "extra 'teach'" in said.stderr
