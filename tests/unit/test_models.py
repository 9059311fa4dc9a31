"""The catalogue, and the commands that show it."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from tagger.cli.models import app
from tagger.config.tagging import ModelSettings
from tagger.errors import ModelError
from tagger.vision.models import BUILTIN_ENTRY, CATALOGUE, Preprocessing, named
from tagger.vision.weights import fetched_path, resolve


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("TAGGER_CONFIG", raising=False)
    return tmp_path


def test_an_unknown_model_gets_the_closest_name() -> None:
    with pytest.raises(ModelError, match="did you mean resnet50"):
        named("resnet5")


def test_a_model_like_no_other_gets_all_names() -> None:
    with pytest.raises(ModelError, match="resnet18, resnet50, mobilenet_v2"):
        named("gpt")


def test_preprocessings_that_differ_have_different_texts() -> None:
    one = Preprocessing(256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    other = Preprocessing(256, 224, "bilinear", (0.4850001, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert str(one) != str(other)


def test_list_names_every_model_and_which_is_in_use() -> None:
    done = CliRunner().invoke(app, ["list"])
    assert all(entry.name in done.stdout for entry in (*CATALOGUE, BUILTIN_ENTRY))
    in_use = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("*")]
    assert in_use == ["efficientnet_lite0"]
    assert "resnet18's ImageNet-1k weights were not here" in done.stderr
    assert "tagger models fetch resnet18, then tagger models use resnet18" in done.stderr


def test_list_speaks_json() -> None:
    rows = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    assert [row["name"] for row in rows] == [entry.name for entry in (*CATALOGUE, BUILTIN_ENTRY)]
    assert [row["name"] for row in rows if row["in_use"]] == ["efficientnet_lite0"]


def test_show_tells_where_the_weights_come_from_and_how_to_know_them() -> None:
    shown = CliRunner().invoke(app, ["show", "resnet50"]).stdout
    for told in (
        "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        "11ad3fa6",
        "80.858",
        "resize=232",
    ):
        assert told in shown


def test_show_speaks_json() -> None:
    assert json.loads(CliRunner().invoke(app, ["show", "resnet50", "--json"]).stdout)["top5"] == 95.434


def test_verify_passes_what_came_with_tagger() -> None:
    done = CliRunner().invoke(app, ["verify"])
    assert done.exit_code == 0
    assert "damaged" not in done.stdout
    assert "ImageNet-1k efficientnet_lite0, 1000 labels" in done.stdout


def test_show_says_where_a_temperature_was_not_measured() -> None:
    assert "not measured" in CliRunner().invoke(app, ["show", "resnet18"]).stdout
    assert "0.58" in CliRunner().invoke(app, ["show", "efficientnet_lite0"]).stdout


def test_the_built_in_models_entry_says_what_its_file_says() -> None:
    weights = resolve(ModelSettings(name="builtin"), Path("/nonexistent"))
    with safe_open(weights.path, "np") as file:
        learned = [name for name in file.keys() if "running" not in name and "num_batches" not in name]  # noqa: SIM118
        numbers = sum(file.get_tensor(name).size for name in learned)
    assert BUILTIN_ENTRY.preprocessing == weights.preprocessing
    assert BUILTIN_ENTRY.temperature == weights.temperature
    assert BUILTIN_ENTRY.parameters == numbers


def test_verify_names_a_fetched_file_that_was_damaged(home: Path) -> None:
    path = fetched_path(named("resnet50"), home)
    path.parent.mkdir()
    path.write_bytes(b"half a file")
    done = CliRunner().invoke(app, ["verify"])
    assert isinstance(done.exception, ModelError)
    assert f"damaged  {path}" in done.stdout


def test_import_refuses_what_is_none_of_the_published_files(tmp_path: Path) -> None:
    path = tmp_path / "resnet50-11ad3fa6.pth"
    path.write_bytes(b"an error page of the network's")
    done = CliRunner().invoke(app, ["import", str(path)])
    assert isinstance(done.exception, ModelError)
    assert "set model.weights to the file" in done.exception.hint
