"""Links that a source follows, from the folder to the page."""

import json
from pathlib import Path

from tests.conftest import Painter
from tests.e2e.command import rows, tagger
from tests.e2e.site import serve, site_of


def config(home: Path, inbox: Path, *roots: Path) -> Path:
    """As git-annex lays files: in the folder lie links to where they are kept, in a folder that no scan enters."""
    file = home / "config.yaml"
    source = {"path": str(inbox), "follow_links": [str(root) for root in roots]}
    file.write_text(json.dumps({"database": str(home / "tags.db"), "sources": [source]}))
    return file


def kept(home: Path, inbox: Path, paint: Painter) -> Path:
    objects = inbox / ".annex" / "objects"
    for number, name in enumerate(("sky.png", "day/sea.png")):
        (inbox / name).parent.mkdir(exist_ok=True)
        (inbox / name).symlink_to(paint(objects / f"{number}.png", (0, 0, 255 - number)))
    paint(home / "secret" / "x.png")
    (inbox / "out.png").symlink_to(home / "secret" / "x.png")
    return objects


def test_what_links_lead_to_is_tagged_and_counted_alike(tmp_path: Path, inbox: Path, paint: Painter) -> None:
    file = config(tmp_path, inbox, kept(tmp_path, inbox, paint))
    said = tagger(tmp_path, "scan", "-c", file)
    assert "2 new, 2 tagged, 0 unchanged, 0 failed" in said.stdout + said.stderr
    paths = tagger(tmp_path, "search", "blue", "-c", file).stdout
    assert all(f"{inbox}/{name}" in paths for name in ("sky.png", "day/sea.png"))
    assert "2 pictures in 2 folders" in (told := tagger(tmp_path, "doctor", "-c", file).stdout)
    assert "1 symbolic link" in told
    said = tagger(tmp_path, "scan", "-c", file)
    assert "0 new, 0 tagged, 2 unchanged" in said.stdout + said.stderr


def test_what_is_followed_no_longer_is_missing(tmp_path: Path, inbox: Path, paint: Painter) -> None:
    file = config(tmp_path, inbox, kept(tmp_path, inbox, paint))
    for number in range(12):  # few are missing then, which is believed at once
        paint(inbox / f"{number}.png")
    tagger(tmp_path, "scan", "-c", file)
    tagger(tmp_path, "scan", "-c", config(tmp_path, inbox))
    states = "SELECT state, count(*) FROM file GROUP BY 1 ORDER BY 1"
    assert rows(tmp_path / "tags.db", states) == [("done", 12), ("gone", 2)]


def test_a_link_that_appears_is_followed_and_its_picture_shown(
    tmp_path: Path, inbox: Path, paint: Painter
) -> None:
    objects = kept(tmp_path, inbox, paint)
    config(tmp_path, inbox, objects)
    (inbox / "sky.png").unlink()
    (inbox / "day" / "sea.png").unlink()
    with serve(tmp_path, {"TAGGER_CONFIG": str(tmp_path / "config.yaml")}) as daemon, site_of(daemon) as site:
        (inbox / "later.png").symlink_to(objects / "0.png")
        daemon.wait_for("later.png: blue")
        assert site.client.get("/images/1/file").content == (objects / "0.png").read_bytes()
        assert site.client.get("/images/1/thumbnail").status_code == 200
        (inbox / "later.png").unlink()
        (inbox / "later.png").symlink_to(tmp_path / "secret" / "x.png")
        assert site.client.get("/images/1/file").status_code == 404
