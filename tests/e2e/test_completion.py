"""What bash completes, as docs/install.md says it is to be had."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.command import TAGGER, environment

COMPLETE = '_tagger_completion tagger "${COMP_WORDS[COMP_CWORD]}" tagger; echo "${COMPREPLY[@]}"'


def bash(home: Path, script: str) -> str:
    path = f"{TAGGER.parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", f"{script}\ntrue"],  # of a single command bash would make itself
        env=environment(home, PATH=path),
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(("words", "found"), [("tagger dup", "duplicates"), ("tagger db che", "check")])
def test_bash_completes_commands(tmp_path: Path, words: str, found: str) -> None:
    count = len(words.split()) - 1
    typed = f"COMP_WORDS=({words}); COMP_CWORD={count}; {COMPLETE}"
    assert bash(tmp_path, f'eval "$(tagger --show-completion)"; {typed}').split() == [found]


def test_it_is_installed_for_good(tmp_path: Path) -> None:
    bash(tmp_path, "tagger --install-completion")
    typed = f"COMP_WORDS=(tagger simi); COMP_CWORD=1; {COMPLETE}"
    assert bash(tmp_path, f". ~/.bashrc; {typed}").split() == ["similar"]
