"""A file is there whole or not at all, whoever else writes it at the time."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tagger.host.replace import replacing


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_file_that_is_not_finished_leaves_the_one_before_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("yesterday's")
    with pytest.raises(error), replacing(path) as file:
        file.write(b"half of tod")
        raise error
    assert path.read_text() == "yesterday's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_is_its_owners_alone_from_the_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with replacing(path, mode=0o600) as file:
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
        file.write(b"secret")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_comes_into_the_folder_that_was_opened_wherever_its_path_leads_by_then(tmp_path: Path) -> None:
    (tmp_path / "cam").mkdir()
    folder = os.open(tmp_path / "cam", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with replacing(tmp_path / "cam" / "a.xmp", folder=folder) as file:
            (tmp_path / "cam").rename(tmp_path / "moved")
            (tmp_path / "cam").mkdir()
            file.write(b"tags")
    finally:
        os.close(folder)
    assert (tmp_path / "moved" / "a.xmp").read_bytes() == b"tags"
    assert list((tmp_path / "cam").iterdir()) == []


def test_of_many_that_write_one_file_at_once_one_is_there_whole(tmp_path: Path) -> None:
    path = tmp_path / "thumbnail.jpg"

    def write(number: int) -> None:
        with replacing(path, survives_power_cut=False) as file:
            for _ in range(100):
                file.write(bytes([number]) * 1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    found = path.read_bytes()
    assert found == found[:1] * 100_000
    assert list(tmp_path.iterdir()) == [path]
