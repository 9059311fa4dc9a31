"""What `tagger service install` writes, and says that it would write. tests/systemd shows that it works."""

from pathlib import Path
from typing import Any

import pytest

from tagger.config.load import load
from tagger.config.settings import Settings
from tagger.config.sources import Source
from tagger.errors import ConfigError
from tagger.service import render
from tagger.service.layout import SYSTEM, users
from tests.e2e.command import tagger


def settings(*folders: str | Path, **others: Any) -> Settings:
    data = {
        "database": "/var/lib/tagger/tags.db",
        "sources": list(map(str, folders)),
        "engine": {"backend": "openvino"},
    }
    return Settings.model_validate(data | others)


def dropins(wanted: Settings, version: int = 252) -> dict[str, str]:
    return render.dropins(SYSTEM, wanted, [Path("/opt/tagger")], version)


def test_a_new_config_is_the_annotated_one_for_the_folders_that_were_named(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        render.config(SYSTEM, [Path("/home/alice/My Pictures"), Path("/srv/cam: 1"), Path("/srv/{{ x }}")])
    )
    found = load(file, environ={})
    assert found.database == "/var/lib/tagger/tags.db"
    assert {source.name: str(source.path) for source in found.sources} == {
        "My Pictures": "/home/alice/My Pictures",
        "cam: 1": "/srv/cam: 1",
        "{{ x }}": "/srv/{{ x }}",
    }
    assert "# Every key of Tagger's config" in file.read_text()


def test_without_a_folder_a_new_config_watches_one_that_may_come(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(render.config(SYSTEM, []))
    assert [str(source.path) for source in load(file, environ={}).sources] == ["/srv/pictures"]


def test_the_unit_starts_the_program_that_is_installed() -> None:
    text = render.unit(SYSTEM, Path("/srv/100 % ours/bin/tagger"))
    assert 'ExecStart="/srv/100 %% ours/bin/tagger" run --config /etc/tagger/config.yaml' in text.splitlines()
    assert "/opt/tagger/bin" not in text


def test_a_folder_in_a_home_is_bound_there_alone_and_may_be_private() -> None:
    found = dropins(settings("/home/alice/My Pictures", "/usr"))
    assert set(found) == {"folders.conf", "private.conf"}
    binds = [line for line in found["folders.conf"].splitlines() if line.startswith("Bind")]
    assert binds == ['BindReadOnlyPaths="-/home/alice/My Pictures"']


def test_a_folder_in_a_home_that_links_lead_to_is_bound_too() -> None:
    source = {"path": "/usr/share", "follow_links": ["/home/alice/kept"]}
    found = dropins(settings().model_copy(update={"sources": (Source.model_validate(source),)}))
    assert "BindReadOnlyPaths=-/home/alice/kept" in found["folders.conf"].splitlines()


def test_a_folder_that_everyone_may_read_needs_nothing() -> None:
    assert dropins(settings("/usr/share")) == {}


def test_a_folder_behind_a_closed_door_needs_the_right_to_read(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    tmp_path.chmod(0o750)
    assert set(dropins(settings(tmp_path / "pictures"))) >= {"private.conf"}


def test_a_database_elsewhere_may_be_written() -> None:
    elsewhere = dropins(settings("/usr/share", database="/srv/tags/tags.db"))
    assert elsewhere["folders.conf"].splitlines()[-1] == "ReadWritePaths=-/srv/tags"
    hidden = dropins(settings("/usr/share", database="sqlite:////home/alice/tags.db"))
    assert hidden["folders.conf"].splitlines()[-1] == "BindPaths=-/home/alice"


def test_the_network_is_opened_as_far_as_the_web_server_needs() -> None:
    local = settings("/usr/share", web={"enabled": True})
    everyone = settings("/usr/share", web={"enabled": True, "host": "192.168.1.5", "token": "x" * 16})
    assert set(dropins(local)) == {"web.conf"}
    assert set(dropins(everyone)) == {"web.conf", "web-open.conf"}


@pytest.mark.parametrize(("version", "has"), [(252, False), (254, True)])
def test_where_systemd_can_it_waits_longer_each_time(version: int, has: bool) -> None:
    assert ("backoff.conf" in dropins(settings("/usr/share"), version)) is has
    assert ("backoff.conf" in render.dropins(users(), settings("/home/a/b"), [], version)) is has


@pytest.mark.parametrize("name", ["a:b", 'a"b', "a\nb", "a\\b"])
def test_what_no_unit_can_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be named"):
        dropins(settings(f"/home/alice/{name}"))


def test_a_dry_run_says_all_and_does_nothing(tmp_path: Path) -> None:
    done = tagger(tmp_path, "service", "install", "--user", "--dry-run", tmp_path)
    assert done.returncode == 0
    assert f"would write {tmp_path}/.config/tagger/config.yaml" in done.stdout
    assert "would run systemctl --user restart tagger.service" in done.stdout
    assert not (tmp_path / ".config").exists()


def test_a_config_that_is_there_is_not_changed(tmp_path: Path) -> None:
    config = tmp_path / ".config" / "tagger" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("sources: [/srv/cam]\n")
    done = tagger(tmp_path, "service", "install", "--user", "--dry-run", "/srv/new")
    assert done.returncode == 2
    assert "add /srv/new to its sources" in done.stderr
    assert config.read_text() == "sources: [/srv/cam]\n"


def test_what_is_not_installed_cannot_be_uninstalled(tmp_path: Path) -> None:
    done = tagger(tmp_path, "service", "uninstall", "--user")
    assert done.returncode == 1
    assert "nothing is installed" in done.stderr


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="needs a system without systemd")
def test_where_no_systemd_runs_status_says_so(tmp_path: Path) -> None:
    done = tagger(tmp_path, "service", "status")
    assert done.returncode == 1
    assert "this system does not run systemd" in done.stderr
    assert "systemctl" not in done.stderr
