"""Which files are ours, and whose."""

from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config.settings import Settings
from tagger.config.sources import Source
from tagger.ingest.filters import Filters

Form = Literal["NFC", "NFD"]
SUFFIXES = {".png", ".jpg"}


def filters_for(*sources: Any) -> Filters:
    return Filters(Settings.model_validate({"sources": list(sources)}).sources, SUFFIXES)


def owner(filters: Filters, path: str) -> str | None:
    source = filters.owner(path)
    return source.name if source else None


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "A.PNG",
        "2024/05/a.jpg",
        "with\nnewline.png",
        "\udcff\udcfe.png",
        "naïve ☃/ä.Jpg",
        "a" * 250 + ".png",
        "not ignored@eaDir/a.png",
        "trailing dot./a.png",
    ],
)
def test_a_picture_below_the_folder_is_ours(name: str) -> None:
    assert owner(filters_for("/srv/pics"), f"/srv/pics/{name}") == "pics"


@pytest.mark.parametrize("path", ["/srv/pics2/a.png", "/srv/a.png", "/a.png", "/srv/pics", "/srv/pics.png"])
def test_a_picture_beside_the_folder_is_not_ours(path: str) -> None:
    assert owner(filters_for("/srv/pics"), path) is None


@pytest.mark.parametrize("name", ["a.txt", "a", "png", "a.png.part", "a.png~", "a.png/b"])
def test_what_has_no_pictures_suffix_is_not_picked_up(name: str) -> None:
    assert owner(filters_for("/srv/pics"), f"/srv/pics/{name}") is None


@pytest.mark.parametrize(
    "name",
    [
        ".a.png",
        "._a.png",
        ".png",
        ".cache/a.png",
        "deep/.git/objects/a.png",
        "@eaDir/a.png",
        "x/@EADIR/y/a.png",
        ".stfolder/a.png",
        ".Trashes/a.png",
        "__MACOSX/a.png",
        "#recycle/a.png",
        "$RECYCLE.BIN/a.png",
        "System Volume Information/a.png",
        "lost+found/a.png",
        "@Recycle/a.png",
        "@Recently-Snapshot/GMT+08_2026-03-26/a.png",
        "#snapshot/a.png",
        "@tmp/a.png",
        "@sharebin/a.png",
        "~snapshot/hourly.0/a.png",
        ".snapshot/a.png",
        ".zfs/snapshot/daily/a.png",
        "2024/Network Trash Folder/a.png",
        "Temporary Items/a.png",
        "RECYCLER/S-1-5-21/a.png",
        "found.000/dir0000.chk/a.png",
        "found.012/a.png",
    ],
)
def test_what_systems_put_beside_pictures_is_ignored(name: str) -> None:
    assert owner(filters_for("/srv/pics"), f"/srv/pics/{name}") is None


@pytest.mark.parametrize(
    "name",
    [
        "recycle",
        "tmp",
        "snapshot",
        "@tmp2",
        "found.0000",
        "found",
        "temporary items 2",
        "lost-found",
        "@Recycle.png",
    ],
)
def test_a_folder_that_is_only_called_alike_is_not_ignored(name: str) -> None:
    folder = name.removesuffix(".png")
    path = f"/srv/pics/{name}" if name != folder else f"/srv/pics/{name}/a.png"
    assert owner(filters_for("/srv/pics"), path) == "pics"


def test_a_folder_of_a_nas_that_is_named_as_a_source_is_watched() -> None:
    assert owner(filters_for("/srv/pics/@Recycle"), "/srv/pics/@Recycle/a.png") == "@Recycle"


def test_a_folder_whose_own_path_holds_a_dot_is_watched_like_any_other() -> None:
    assert owner(filters_for("/home/me/.local/share/shots"), "/home/me/.local/share/shots/a.png") == "shots"


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("**/*.png", "a.png", True),
        ("**/*.png", "x/y/A.PNG", True),
        ("**/*.PNG", "x/a.png", True),
        ("*.png", "x/y/a.png", True),
        ("*.png", "a.jpg", False),
        ("holiday/*.png", "holiday/a.png", True),
        ("Holiday/*.png", "holiday/a.png", True),
        ("holiday/*.png", "2024/holiday/a.png", False),
        ("holiday/*.png", "holiday/x/a.png", False),
        ("holiday/**", "holiday/x/a.png", True),
        ("holiday/**", "holidays/a.png", False),
        ("**/holiday/**", "2024/holiday/x/a.png", True),
        ("2024/**/best/*.png", "2024/best/a.png", True),
        ("2024/**/best/*.png", "2024/05/17/best/a.png", True),
        ("shot-?.png", "shot-1.png", True),
        ("shot-?.png", "shot-10.png", False),
        ("shot-[0-9].png", "shot-7.png", True),
        ("shot-[!0-9].png", "shot-7.png", False),
        ("**", "x/a.png", True),
        ("*", "x/a.png", True),
        ("a\nb*", "x/a\nb.png", True),
        ("*(1)*", "a (1).png", True),
        ("{a,b}.png", "a.png", False),
    ],
)
def test_a_pattern_names_files(pattern: str, name: str, matches: bool) -> None:
    included = filters_for({"path": "/srv/pics", "include": [pattern]})
    excluded = filters_for({"path": "/srv/pics", "exclude": [pattern]})
    assert owner(included, f"/srv/pics/{name}") == ("pics" if matches else None)
    assert owner(excluded, f"/srv/pics/{name}") == (None if matches else "pics")


@pytest.mark.parametrize("pattern", ["*Müller*", "müller/*.png", "Müller/**", "**/MÜLLER/**", "[Mm]üller*/*"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_a_name_is_matched_however_its_letters_are_composed(pattern: str, typed: Form, written: Form) -> None:
    pattern = normalize(typed, pattern)
    path = normalize(written, "/srv/pics/Müller/Müller.png")
    other = "/srv/pics/Muller/a.png"
    included = filters_for({"path": "/srv/pics", "include": [pattern]})
    excluded = filters_for({"path": "/srv/pics", "exclude": [pattern]})
    assert [owner(included, path), owner(included, other)] == ["pics", None]
    assert [owner(excluded, path), owner(excluded, other)] == [None, "pics"]


def test_several_patterns_are_alternatives() -> None:
    filters = filters_for({"path": "/srv/pics", "include": ["*.png", "scans/**"], "exclude": ["tmp", "b*"]})
    names = ["a.png", "a.jpg", "scans/a.jpg", "scans/b.jpg", "tmp/a.png"]
    assert [name for name in names if owner(filters, f"/srv/pics/{name}")] == ["a.png", "scans/a.jpg"]


@pytest.mark.parametrize(
    "pattern", ["raw", "2024/RAW/**", "**/raw/**", "**/raw", "2024/raw", "2024/*", "2024/raw/*"]
)
def test_a_pattern_that_excludes_a_folder_excludes_everything_in_it(pattern: str) -> None:
    filters = filters_for({"path": "/srv/pics", "exclude": [pattern]})
    assert owner(filters, "/srv/pics/2024/raw/x/y/a.png") is None
    assert owner(filters, "/srv/pics/2025/a.png") == "pics"


def test_an_excluded_folder_is_not_entered() -> None:
    filters = filters_for({"path": "/srv/pics", "name": "pics", "exclude": ["raw", "private/**"]})
    pics = Source(path=Path("/srv/pics"), name="pics")
    folders = ["2024", "raw", "2024/raw", "private", "private/x", "2024/private", ".git", "x/@eaDir", "x/y"]
    entered = [folder for folder in folders if filters.enters(f"/srv/pics/{folder}", pics)]
    assert entered == ["2024", "2024/private", "x/y"]


def test_the_inner_source_owns_its_files_even_those_it_refuses() -> None:
    filters = filters_for(
        {"path": "/srv/pics", "name": "outer"},
        {"path": "/srv/pics/cameras", "name": "inner", "include": ["*.jpg"]},
    )
    assert owner(filters, "/srv/pics/a.png") == "outer"
    assert owner(filters, "/srv/pics/cameras/a.jpg") == "inner"
    assert owner(filters, "/srv/pics/cameras/a.png") is None
    assert owner(filters, "/srv/pics/cameras2/a.png") == "outer"


def test_the_outer_source_does_not_enter_the_inner_one() -> None:
    outer, inner = Source(path=Path("/srv/pics"), name="o"), Source(path=Path("/srv/pics/x/cams"), name="i")
    filters = Filters([outer, inner], SUFFIXES)
    assert filters.enters("/srv/pics/x", outer)
    assert not filters.enters("/srv/pics/x/cams", outer)
    assert not filters.enters("/srv/pics/x/cams/1", outer)
    assert filters.enters("/srv/pics/x/cams/1", inner)


def test_an_inner_source_may_lie_in_a_folder_that_the_outer_one_ignores() -> None:
    filters = filters_for({"path": "/srv", "name": "outer"}, {"path": "/srv/.hidden", "name": "inner"})
    assert owner(filters, "/srv/.hidden/a.png") == "inner"


def test_a_source_that_is_not_recursive_has_only_its_direct_children() -> None:
    source = Source(path=Path("/srv/pics"), name="pics", recursive=False)
    filters = Filters([source], SUFFIXES)
    assert owner(filters, "/srv/pics/a.png") == "pics"
    assert owner(filters, "/srv/pics/x/a.png") is None
    assert filters.enters("/srv/pics", source)
    assert not filters.enters("/srv/pics/x", source)


def test_a_source_limited_to_a_folder_keeps_its_patterns_and_leaves_the_rest() -> None:
    source = Source(path=Path("/srv/pics"), name="pics", exclude=("2024/raw/**",))
    filters = Filters([source.within(Path("/srv/pics/2024"))], SUFFIXES)
    assert owner(filters, "/srv/pics/2024/x/a.png") == "pics"
    assert owner(filters, "/srv/pics/2024/raw/a.png") is None
    assert owner(filters, "/srv/pics/2025/a.png") is None


@pytest.mark.parametrize(
    "settings", [{"exclude": ("**/raw/**",)}, {"exclude": ("raw",)}, {"recursive": False}]
)
def test_a_folder_that_was_asked_for_is_entered_whatever_the_filter_says(settings: dict[str, Any]) -> None:
    source = Source(path=Path("/srv/pics"), name="pics", **settings).within(Path("/srv/pics/.x/raw"))
    assert owner(Filters([source], SUFFIXES), "/srv/pics/.x/raw/a.png") == "pics"


def test_two_folders_of_one_source_are_both_worked_on() -> None:
    source = Source(path=Path("/srv/pics"), name="pics")
    parts = [source.within(Path("/srv/pics/2023")), source.within(Path("/srv/pics/2024"))]
    filters = Filters(parts, SUFFIXES)
    assert owner(filters, "/srv/pics/2023/a.png") == "pics"
    assert owner(filters, "/srv/pics/2024/a.png") == "pics"
    assert owner(filters, "/srv/pics/2025/a.png") is None


def test_the_whole_file_system_can_be_a_source() -> None:
    source = Source(path=Path("/"), name="all", exclude=("proc/**",))
    filters = Filters([source], SUFFIXES)
    assert owner(filters, "/a.png") == "all"
    assert owner(filters, "/home/me/a.png") == "all"
    assert owner(filters, "/proc/1/a.png") is None
    assert filters.enters("/home", source)


def test_no_folder_is_too_deep() -> None:
    assert owner(filters_for("/srv/pics"), "/srv/pics/" + "d/" * 5000 + "a.png") == "pics"


NAMES = st.lists(st.sampled_from(["a", "raw", ".x", "@eaDir", "b.png"]), max_size=4)


@given(
    folders=NAMES,
    patterns=st.lists(st.sampled_from(["raw", "raw/**", "a/**", "a/*", "**/a/raw/**", "*.png", "**"])),
)
def test_a_file_is_owned_only_where_every_folder_above_it_is_entered(
    folders: list[str], patterns: list[str]
) -> None:
    source = Source(path=Path("/srv"), name="srv", exclude=tuple(patterns))
    filters = Filters([source], SUFFIXES)
    above = ["/srv" + "".join(f"/{name}" for name in folders[:end]) for end in range(len(folders) + 1)]
    if owner(filters, f"{above[-1]}/c.jpg"):
        assert all(filters.enters(folder, source) for folder in above)
