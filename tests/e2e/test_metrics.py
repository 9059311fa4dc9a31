"""What Prometheus reads of a daemon at work, and what the pages say of it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Painter
from tests.e2e.site import Site, serve, site_of

DOCS = Path(__file__).parents[2] / "docs"
NAME = re.compile(r"\btagger_[a-z_]+")


@pytest.fixture
def site(tmp_path: Path, inbox: Path) -> Iterator[Site]:
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        yield site


def measured(site: Site) -> dict[str, float]:
    """Each sample, by its name and its labels' values."""
    text = site.client.get("/metrics").raise_for_status().text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return {" ".join((one.name, *one.labels.values())): one.value for one in samples}


def test_a_pictures_way_is_counted_and_timed(site: Site, inbox: Path, paint: Painter) -> None:
    paint(inbox / "a.png")
    site.daemon.wait_for("a.png: red")
    shutil.copy(inbox / "a.png", inbox / "again.png")
    site.daemon.wait_for("tagged 1 picture")
    (inbox / "no.png").write_bytes(b"no picture")
    site.daemon.wait_for("not a picture")
    while (found := measured(site))["tagger_outcomes_total inbox failed"] == 0:
        assert site.daemon.process.poll() is None
    assert (found["tagger_outcomes_total inbox tagged"], found["tagger_outcomes_total inbox known"]) == (1, 1)
    assert found["tagger_arrival_to_row_seconds_count"] == 2
    assert 0 < found["tagger_arrival_to_row_seconds_sum"] < 120
    assert (found["tagger_decode_seconds_count"], found["tagger_inference_seconds_count"]) == (2, 1)
    assert (found["tagger_batch_pictures_sum"], found["tagger_commit_seconds_count"]) == (1, 3)
    assert (found["tagger_backlog_files inbox"], found["tagger_ready"], found["tagger_paused"]) == (0, 1, 0)


def test_what_lay_there_before_the_start_does_not_tell_how_quick_it_is(
    tmp_path: Path, inbox: Path, paint: Painter
) -> None:
    paint(inbox / "old.png")
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        daemon.wait_for("old.png: red")
        found = measured(site)
    assert (found["tagger_outcomes_total inbox tagged"], found["tagger_arrival_to_row_seconds_count"]) == (
        1,
        0,
    )


def test_a_source_that_goes_away_is_down(site: Site, inbox: Path) -> None:
    while measured(site).get("tagger_source_up inbox") != 1:
        assert site.daemon.process.poll() is None
    inbox.rename(inbox.with_name("elsewhere"))
    site.daemon.wait_for("is away")
    while measured(site)["tagger_source_up inbox"]:
        assert site.daemon.process.poll() is None
    assert measured(site)["tagger_source_watched inbox"] == 0


def test_a_file_that_does_not_rest_is_the_oldest_unsettled(site: Site, inbox: Path) -> None:
    with (inbox / "slow.png").open("wb", buffering=0) as file:
        while measured(site)["tagger_oldest_unsettled_seconds"] < 0.3:
            file.write(b"\0")
            assert site.daemon.process.poll() is None


def test_every_metric_is_documented_and_every_documented_one_is_there(site: Site) -> None:
    text = site.client.get("/metrics").text
    there = {name for name in re.findall(r"^# HELP (\S+)", text, re.MULTILINE) if name.startswith("tagger_")}
    reference = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    assert there == set(re.findall(r"^\| `(tagger_\w+)`", reference, re.MULTILINE))
    advised = NAME.findall((DOCS / "operating.md").read_text(encoding="utf-8"))
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in advised} <= there
