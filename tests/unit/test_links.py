"""Links are followed where a source says so, each thing once, and never out of the roots that it names."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tagger.config.sources import Source
from tagger.host import beneath
from tagger.host.beneath import OutsideError, Reach
from tagger.ingest.filters import Filters
from tagger.ingest.scan import PassedOver, SkipReason, meet, walk
from tagger.ingest.settle import Settling, look_beneath
from tagger.records import Content, Gone, Origin, Sighting, Stamp
from tagger.vision.decode import read


@pytest.fixture(params=["openat2", "part by part"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "openat2" and not beneath._kernel_resolves():
        pytest.skip("this kernel, or what it runs in, has no openat2")
    monkeypatch.setattr(beneath, "_kernel_resolves", lambda: request.param == "openat2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source beside a folder that links may lead to, and one that they may not."""
    for name in ("source/own.png", "kept/a.png", "kept/day/b.png", "secret/c.png", "secret/day/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "source"


def source_of(root: Path, *roots: str) -> Source:
    return Source(path=root, name="pics", follow_links=tuple(root.parent / one for one in roots or ("kept",)))


def met(source: Source) -> tuple[set[str], dict[str, SkipReason]]:
    """The files that are found, and what is passed over, by paths below the source."""
    all_met = list(meet(source, Filters([source], {".png"}), str(source.start)))
    passed = {one.path: one.reason for one in all_met if isinstance(one, PassedOver)}
    found = [one.path for one in all_met if isinstance(one, Stamp)]
    assert len(found) == len(set(found))
    return (
        {os.path.relpath(path, source.path) for path in found},
        {os.path.relpath(path, source.path): reason for path, reason in passed.items()},
    )


def test_files_and_folders_are_found_where_links_to_them_lie(root: Path) -> None:
    (root / "file.png").symlink_to("../kept/a.png")
    (root / "linked").symlink_to(root.parent / "kept/day")
    (root / "text").symlink_to(root.parent / "kept/a.png")
    (root / ".hidden").symlink_to(root.parent / "kept")
    assert met(source_of(root)) == ({"own.png", "file.png", "linked/b.png"}, {})
    kept = root.parent / "kept/a.png"
    pages = walk(source_of(root), Filters([source_of(root)], {".png"}))
    [stamp] = [one for page in pages for one in page if one.path.endswith("file.png")]
    assert (stamp.size, stamp.mtime_ns) == (kept.stat().st_size, kept.stat().st_mtime_ns)


def test_none_is_followed_unless_a_source_says_so(root: Path) -> None:
    (root / "file.png").symlink_to("../kept/a.png")
    (root / "linked").symlink_to("../kept")
    passed_over = {"file.png": SkipReason.LINK, "linked": SkipReason.FOLDER_LINK}
    assert met(Source(path=root, name="pics")) == ({"own.png"}, passed_over)


def test_none_is_followed_out_of_the_roots(root: Path) -> None:
    (root / "file.png").symlink_to("../secret/c.png")
    (root / "linked").symlink_to("../secret")
    (root / "dangling.png").symlink_to("../kept/nowhere.png")
    (root / "loop.png").symlink_to("loop.png")
    (root.parent / "kept/out.png").symlink_to("../secret/c.png")
    (root.parent / "kept2").mkdir()
    (root / "alike").symlink_to("../kept2")
    (root / "through").symlink_to("../kept")
    found, passed_over = met(source_of(root))
    assert found == {"own.png", "through/a.png", "through/day/b.png"}
    files, folders = {"file.png", "dangling.png", "loop.png", "through/out.png"}, {"linked", "alike"}
    assert passed_over == dict.fromkeys(files, SkipReason.LINK) | dict.fromkeys(
        folders, SkipReason.FOLDER_LINK
    )


def test_a_root_may_be_a_link_itself_and_a_link_lead_over_others(root: Path) -> None:
    (root.parent / "name").symlink_to("kept")
    (root.parent / "elsewhere").symlink_to("name/a.png")
    (root / "file.png").symlink_to("../elsewhere")
    assert met(source_of(root, "name"))[0] == {"own.png", "file.png"}


def test_loops_end_and_each_thing_is_found_once(root: Path) -> None:
    kept = root.parent / "kept"
    (kept / "loop").symlink_to(".")
    (kept / "back").symlink_to(root)
    (root / "z-linked").symlink_to(kept)
    (root / "b-linked").symlink_to(kept)
    (root / "c.png").symlink_to("own.png")
    (root / "d.png").symlink_to("../kept/a.png")
    (root / "up").symlink_to("..")
    found, passed_over = met(source_of(root, "kept", "source"))
    assert found == {"own.png", "b-linked/a.png", "b-linked/day/b.png"}
    repeated = {name for name, reason in passed_over.items() if reason is SkipReason.REPEATED}
    assert repeated == {"b-linked/loop", "b-linked/back", "z-linked", "c.png", "d.png"}
    assert passed_over["up"] is SkipReason.FOLDER_LINK


def test_of_two_links_to_a_file_the_first_name_is_taken(root: Path) -> None:
    (root / "2.png").symlink_to("../kept/a.png")
    (root / "1.png").symlink_to("../kept/a.png")
    assert met(source_of(root)) == ({"own.png", "1.png"}, {"2.png": SkipReason.REPEATED})


def test_a_root_around_the_source_finds_its_own_files_once(root: Path) -> None:
    (root / "all").symlink_to("..")
    found, _ = met(source_of(root, "."))
    assert found == {
        "own.png",
        "all/kept/a.png",
        "all/kept/day/b.png",
        "all/secret/c.png",
        "all/secret/day/d.png",
    }


def test_a_marker_counts_behind_a_link_too(root: Path) -> None:
    (root.parent / "kept/day/.nomedia").touch()
    (root / "linked").symlink_to("../kept")
    source = source_of(root).model_copy(update={"markers": (".nomedia",)})
    assert met(source)[0] == {"own.png", "linked/a.png"}


@pytest.mark.parametrize("name", ["file.png", "linked/b.png"])
def test_what_a_link_leads_to_settles_and_is_read(root: Path, name: str) -> None:
    (root / "file.png").symlink_to("../kept/day/b.png")
    (root / "linked").symlink_to("../kept/day")
    source = source_of(root)
    held = Settling({"pics": 0.5}, partial(look_beneath, {"pics": source}))
    held.add(Sighting(f"{root}/{name}", "pics", Origin.SCAN), 0)
    held.due(0)
    [(stamp, _)] = held.due(1).settled
    content = read(stamp, 1000, {"pics": source.reach})
    assert isinstance(content, Content)
    assert content.data == b"kept/day/b.png"
    assert isinstance(read(stamp, 1000, {"pics": Reach(str(root))}), Gone)


def swap_link(root: Path) -> None:
    (root / "linked").unlink()
    (root / "linked").symlink_to("../secret/day")


def swap_target(root: Path) -> None:
    shutil.rmtree(root.parent / "kept/day")
    (root.parent / "kept/day").symlink_to("../secret/day")


@pytest.mark.parametrize("swap", [swap_link, swap_target])
def test_a_link_that_is_changed_to_lead_outside_is_gone(root: Path, swap: Callable[[Path], None]) -> None:
    for folder in ("kept", "secret"):
        (root.parent / folder / "day/x.png").write_bytes(b"the same")
    (root / "linked").symlink_to("../kept/day")
    reach = source_of(root).reach
    path = f"{root}/linked/x.png"
    os.close(reach.open(path))
    swap(root)
    for call in (reach.open, reach.stat):
        with pytest.raises(OutsideError):
            call(path)


def test_a_target_that_is_swapped_after_it_was_resolved_is_not_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "linked").symlink_to("../kept/day")
    (root.parent / "secret/day/b.png").write_bytes(b"the secret")
    resolved = os.path.realpath

    def late(path: str) -> str:
        found = resolved(path)
        if path.endswith("b.png"):
            swap_target(root)
        return found

    monkeypatch.setattr(os.path, "realpath", late)
    with pytest.raises(OutsideError):
        source_of(root).reach.open(f"{root}/linked/b.png")


@pytest.mark.parametrize("path", ["../kept/a.png", "linked/../../secret/c.png"])
def test_a_path_that_is_none_below_the_source_stays_nothing(root: Path, path: str) -> None:
    (root / "linked").symlink_to("../kept")
    with pytest.raises(OutsideError):
        source_of(root, ".").reach.open(f"{root}/{path}")
