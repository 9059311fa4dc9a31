"""What is installed is written down to the last file: it suits pyproject.toml, wherever it is installed."""

import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
BUILD = PROJECT["dependency-groups"]["build"]
DEPENDENCIES = PROJECT["project"]["dependencies"]
NO_TORCH = [one for one in DEPENDENCIES if Requirement(one).name not in ("torch", "torchvision")]

WANTED = {
    "requirements.txt": DEPENDENCIES,
    "requirements-slim.txt": NO_TORCH,
    "requirements-dev.txt": [*DEPENDENCIES, *EXTRAS["dev"], *BUILD],
    "requirements-bench.txt": [*DEPENDENCIES, *EXTRAS["bench"]],
    "requirements-build.txt": BUILD,
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
RENEW = "make lock writes it anew"


def entries(file: str) -> list[str]:
    """One for each version, with its hashes, as pip joins the lines."""
    text = (ROOT / file).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


@cache
def pins(file: str) -> list[Requirement]:
    return [Requirement(entry.partition(" --hash")[0]) for entry in entries(file)]


def locked(file: str, python: str, machine: tuple[str, str, str]) -> dict[str, str]:
    """The versions that this Python on this machine gets, by name."""
    platform, system, processor = machine
    there = {
        "python_version": python,
        "python_full_version": f"{python}.7",
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": processor,
    }
    here = [one for one in pins(file) if one.marker is None or one.marker.evaluate(there)]
    versions = {one.name: str(one.specifier).removeprefix("==") for one in here}
    assert len(versions) == len(here), f"{file} has two versions of one library for Python {python}"
    return versions


def asked(requirements: list[str]) -> list[Requirement]:
    """With those of Tagger's own extras in the place of the extras."""
    found = []
    for one in map(Requirement, requirements):
        if one.name == PROJECT["project"]["name"]:
            found += asked([inner for extra in one.extras for inner in EXTRAS[extra]])
        elif one.marker is None or one.marker.evaluate({"sys_platform": "linux"}):
            found.append(one)
    return found


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("file", WANTED)
def test_what_is_locked_suits_what_is_asked_for(file: str, python: str) -> None:
    for machine in MACHINES:
        versions = locked(file, python, machine)
        wrong = [
            f"{one}, not {versions.get(canonicalize_name(one.name))}"
            for one in asked(WANTED[file])
            if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"), prereleases=True)
        ]
        assert wrong == [], f"{file} is not up to date: {RENEW}"


@pytest.mark.parametrize("file", WANTED)
def test_every_entry_is_one_version_with_its_hashes_and_from_nowhere_in_particular(file: str) -> None:
    for entry in entries(file):
        name, *hashes = entry.split(" --hash=")
        assert "==" in name, name
        assert hashes, f"{name} has no hash"
        assert all(one.strip().startswith("sha256:") for one in hashes), name
        assert "://" not in entry, name


def test_who_installs_less_gets_the_same_versions() -> None:
    for python in PYTHONS:
        everything = locked("requirements-dev.txt", python, MACHINES[0])
        for file in ("requirements.txt", "requirements-slim.txt", "requirements-build.txt"):
            assert locked(file, python, MACHINES[0]).items() <= everything.items(), f"{file}: {RENEW}"


def test_the_slim_lock_is_the_other_without_torch_and_what_that_brings() -> None:
    slim = locked("requirements-slim.txt", "3.11", MACHINES[0])
    assert slim.items() < locked("requirements.txt", "3.11", MACHINES[0]).items()
    assert [name for name in slim if name.startswith(("torch", "nvidia", "triton", "cuda"))] == []


def test_a_library_whose_inner_parts_are_used_is_bounded_above() -> None:
    bounds = {Requirement(one).name: str(Requirement(one).specifier) for one in DEPENDENCIES}
    inner = ("pillow", "pyyaml", "sqlalchemy", "uvicorn", "watchdog")
    assert [name for name in inner if "<" not in bounds[name]] == []


def test_every_requirement_says_from_which_version_on_it_was_tried() -> None:
    """Else the oldest that are allowed could not be installed and tested."""
    every = [
        Requirement(one) for one in (*DEPENDENCIES, *(x for extra in EXTRAS.values() for x in extra), *BUILD)
    ]
    assert [str(one) for one in every if ">=" not in str(one.specifier) and one.name != "tagger"] == []
