"""The Dockerfile, step by step, where no engine is at hand: its base is a small Debian with the same Python.

debootstrap brings that, and systemd-nspawn runs the steps, and then the image, as an engine would: as the image's user, its file
system read-only, with a volume and a folder of pictures. No step has a network; what pip wants is fetched before.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.systemd import machine

ROOT = Path(__file__).parents[2]
PIP = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/run/fetched"}


@dataclass
class Image:
    """What the Dockerfile's last stage comes to."""

    root: Path
    folder: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0"
    volume: str = ""
    words: dict[str, list[str]] = field(default_factory=dict)
    """Of ENTRYPOINT, CMD and HEALTHCHECK."""


class Container:
    """An image that runs. `leader` is its first process, as this machine sees it."""

    def __init__(self, image: Image, nspawn: "subprocess.Popen[str]", log: Path) -> None:
        self._image, self._nspawn, self._log = image, nspawn, log
        self.leader = machine.leader_of(nspawn.pid, "tagger")

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """As `docker exec` does."""
        into = ["nsenter", "--all", f"--target={self.leader}", f"--setuid={self._image.user}"]
        environment = [f"{key}={value}" for key, value in self._image.environment.items()]
        return subprocess.run(
            [*into, "env", "-i", *environment, *words], capture_output=True, text=True, check=False
        )

    def stop(self) -> int:
        """As `docker stop` does; the exit code."""
        subprocess.run(["kill", "-TERM", str(self.leader)], check=True)
        return self._nspawn.wait(machine.PATIENCE)


def build(base: Path, folder: Path) -> Image:
    _fetch(folder / "fetched")
    stages: dict[str, Image] = {}
    for word, rest in _instructions((ROOT / "Dockerfile").read_text()):
        if word == "FROM":
            name = rest.partition(" AS ")[2] or "image"
            stages[name] = image = Image(folder / name)
            subprocess.run(["cp", "-a", base, image.root], check=True)
        else:
            _follow(image, word, rest, stages)
    return image


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        yield word, rest.strip()


def _follow(image: Image, word: str, rest: str, stages: dict[str, Image]) -> None:
    match word:
        case "RUN":
            fetched = image.root.parent / "fetched"
            words = [*_nspawn(image, PIP), f"--bind-ro={fetched}:/run/fetched", f"--chdir={image.folder}"]
            machine.run(*words, "sh", "-ec", rest)
        case "COPY":
            _copy(image, rest.split(), stages)
        case "WORKDIR":
            image.folder = rest
            (image.root / rest.lstrip("/")).mkdir(parents=True)
        case "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in rest.split())
        case "USER":
            image.user = rest.partition(":")[0]
        case "VOLUME":
            image.volume = rest
        case "ENTRYPOINT" | "CMD" | "HEALTHCHECK":
            image.words[word] = json.loads(rest[rest.index("[") :])
        case _:
            assert word == "EXPOSE", word


def _copy(image: Image, words: list[str], stages: dict[str, Image]) -> None:
    """Of the checkout, what .dockerignore lets through."""
    options = [word for word in words if word.startswith("--")]
    *sources, target = words[len(options) :]
    into = image.root / image.folder.lstrip("/") / target.lstrip("/")
    if options:
        found = [stages[options[0].removeprefix("--from=")].root / one.lstrip("/") for one in sources]
        into = into.parent
    elif sources == ["."]:
        kept = (ROOT / ".dockerignore").read_text().splitlines()
        found = [ROOT / line[1:] for line in kept if line.startswith("!")]
    else:
        found = [ROOT / one for one in sources]
    subprocess.run(["cp", "-a", "--no-preserve=ownership", *found, into], check=True)


def _fetch(into: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--dest", str(into)]
    for name in ("requirements-slim.txt", "requirements-build.txt"):
        machine.run(*pip, "--requirement", str(ROOT / name))


def _nspawn(image: Image, environment: dict[str, str]) -> list[str]:
    settings = (image.environment | environment).items()
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--private-network",
        "--machine=tagger-image",
        "--pipe",
        f"--directory={image.root}",
        *(f"--setenv={key}={value}" for key, value in settings),
    ]


@contextmanager
def running(image: Image, volume: Path, pictures: Path) -> Iterator[Container]:
    """A new volume has what the image has at its place, as an engine's has."""
    if not volume.exists():
        subprocess.run(["cp", "-a", image.root / image.volume.lstrip("/"), volume], check=True)
    words = [*_nspawn(image, {}), "--read-only", f"--user={image.user}", "--no-new-privileges=yes"]
    words += [f"--bind={volume}:{image.volume}", f"--bind-ro={pictures}:/pictures"]
    log = volume.with_name("log")
    with log.open("w") as file:
        nspawn = subprocess.Popen(
            [*words, *image.words["ENTRYPOINT"], *image.words["CMD"]],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            text=True,
        )
    try:
        yield Container(image, nspawn, log)
    finally:
        nspawn.terminate()
        nspawn.wait(machine.PATIENCE)
        shutil.rmtree("/run/systemd/nspawn/propagate/tagger-image", ignore_errors=True)
