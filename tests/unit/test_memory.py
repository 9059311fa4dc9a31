"""What a process gives back of its memory, as the kernel counts it."""

import mmap
import sys
from pathlib import Path

import pytest

from tagger.vision.memory import let_go_of
from tests.kernel import resident

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's count is Linux's")


@pytest.mark.parametrize("name", ["model.bin", "with a space.bin"])
def test_a_mapped_files_pages_are_given_back_and_read_anew(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    content = bytes(range(256)) * 4096
    file.write_bytes(content)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[:] == content
        assert resident(file) == len(content) // 1024
        let_go_of(file)
        assert resident(file) == 0
        assert mapped[:] == content


def test_what_is_written_to_a_mapping_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(bytes(8192))
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        mapped[:5] = b"hello"
        let_go_of(file)
        assert mapped[:5] == b"hello"


def test_a_file_that_is_not_mapped_is_left_alone(tmp_path: Path) -> None:
    let_go_of(tmp_path / "nowhere.bin")
