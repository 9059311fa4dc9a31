"""Where the extra that decodes HEIC is not installed, people are told what is left out, and how to take it."""

import os
from pathlib import Path

import pytest
from PIL import Image

from tagger.vision import heif
from tests.e2e.command import tagger

TAKE = "-m pip install pillow-heif, then tagger retry --all"


@pytest.fixture
def without_heic(tmp_path: Path) -> dict[str, str]:
    """An environment in which pillow-heif cannot be imported."""
    package = tmp_path / "without" / "pillow_heif"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(package.parent), os.environ.get("PYTHONPATH"))))}


@pytest.mark.skipif(not heif.IS_READ, reason="pillow-heif is not installed, and makes these pictures")
def test_scan_and_doctor_count_heic_that_is_left_out(tmp_path: Path, without_heic: dict[str, str]) -> None:
    source = tmp_path / "pictures"
    source.mkdir()
    picture = Image.new("RGB", (64, 64), "green")
    picture.save(source / "real.HEIC")
    picture.save(source / "named.jpg", "HEIF")
    picture.save(source / "jpeg.heic", "JPEG")
    config = tmp_path / "config.yaml"
    config.write_text(f"database: {tmp_path}/t.db\nsources: [{source}]\n")
    scanned = tagger(tmp_path, "scan", "-c", config, **without_heic)
    counts, left_out = scanned.stdout.splitlines()
    assert counts == "3 new, 1 tagged, 0 unchanged, 2 failed"
    assert left_out.startswith("2 HEIC pictures left out; to take HEIC: ")
    assert left_out.endswith(TAKE)
    assert f"{source}/named.jpg: a HEIC, which this installation leaves out" in scanned.stderr
    said = tagger(tmp_path, "doctor", "-c", config, **without_heic).stdout
    assert f"2 HEIC files in pictures ({source}), by name; this installation leaves HEIC out" in said
    retried = tagger(tmp_path, "retry", "--all", "-c", config), tagger(tmp_path, "scan", "-c", config)
    assert [one.returncode for one in retried] == [0, 0]
    assert "2 tagged, 1 unchanged, 0 failed" in retried[1].stdout
    assert "HEIC" not in tagger(tmp_path, "doctor", "-c", config).stdout
