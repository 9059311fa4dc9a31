"""Pictures that are decoded in children: what comes back, and what becomes of a child that a picture wears out or takes over."""

import io
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tagger.config.tagging import DecodeSettings
from tagger.errors import TaggerError
from tagger.records import Content, Failed, FailureKind, Picture, Stamp
from tagger.vision import decoding
from tagger.vision.apart import Apart, is_risky
from tagger.vision.budget import PixelBudget
from tagger.vision.decode import Decoder, Mode
from tagger.vision.thumbnail import Thumbnailer
from tests import kernel
from tests.unit.test_decode_long import fax
from tests.unit.test_hostile_pictures import PREPROCESSING, mutants, seeds

RISKY = {name: data for name, data in seeds().items() if is_risky(data)}
SLOW = fax(200, 200_000, 10_000)
"""Half a second: libtiff has something to say of each row."""


def content(data: bytes, name: str = "/cam/a picture") -> Content:
    return Content(Stamp(name, "cam", len(data), 0, 0), data, "a hash", 3)


def decoder(apart: Apart | None, mode: Mode = "fast") -> Decoder:
    return Decoder(PREPROCESSING, DecodeSettings().max_pixels, PixelBudget(), mode, apart=apart)


def gif() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(file, "GIF")
    return file.getvalue()


@pytest.fixture
def apart() -> Iterator[Apart]:
    with closing(Apart(DecodeSettings())) as children:
        yield children


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apart]:
    """A tenth of a second for each picture."""
    monkeypatch.setattr("tagger.vision.apart._OF_A_PROCESSOR", 0.1)
    with closing(Apart(DecodeSettings(deadline=1))) as children:
        children._within = 60  # on a machine with much else to do, too
        yield children


def child() -> int:
    [pid] = kernel.children()
    return pid


def same(one: Picture | Failed, other: Picture | Failed) -> bool:
    if isinstance(one, Failed) or isinstance(other, Failed):
        return one == other
    whole = (one.target, one.facts, one.top_k) == (other.target, other.facts, other.top_k)
    return whole and np.array_equal(one.frames, other.frames)


@pytest.mark.parametrize("name", RISKY)
@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_what_is_decoded_in_a_child_is_the_same_to_the_last_bit(name: str, mode: Mode) -> None:
    with closing(Apart(DecodeSettings(mode=mode))) as apart:
        for _, data in [("", RISKY[name]), *mutants(name, RISKY[name], [*RISKY.values()], 10)]:
            here, there = (decoder(one, mode).decode(content(data)) for one in (None, apart))
            assert same(here, there)


def thumbnail(data: bytes, apart: Apart | None) -> bytes | str:
    try:
        return Thumbnailer(DecodeSettings(), apart=apart).make(data, 320)
    except TaggerError as error:
        return str(error)


def test_so_are_thumbnails_and_what_is_said_where_there_are_none(apart: Apart) -> None:
    for data in [*RISKY.values(), b"no picture"]:
        assert thumbnail(data, apart) == thumbnail(data, None)
    child()


def test_jpeg_png_and_webp_need_no_child(apart: Apart) -> None:
    for name, data in seeds().items():
        if name.endswith((".jpg", ".png", ".webp")):
            assert isinstance(decoder(apart).decode(content(data)), Picture)
    assert kernel.children() == set()


def test_nothing_of_damaged_jpeg_png_and_webp_is_written_to_stderr(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    others = [*seeds().values()]
    for name, data in seeds().items():
        if name.endswith((".jpg", ".png", ".webp")):
            for _, mutant in mutants(name, data, others, 50):
                if not is_risky(mutant):
                    decoder(None).decode(content(mutant))
    assert (capfd.readouterr().err, caplog.text) == ("", "")


def test_one_child_decodes_one_picture_after_the_other(apart: Apart) -> None:
    for _ in range(5):
        decoder(apart).decode(content(gif()))
    child()


def test_a_picture_that_takes_too_long_fails_for_good_and_the_next_is_decoded(hasty: Apart) -> None:
    decoder(hasty).decode(content(gif()))
    before = child()
    outcome = decoder(hasty).decode(content(SLOW))
    reason = "decoding it took more than 0.1 s"
    assert outcome == Failed(content(SLOW).target, "decode", reason, kind=FailureKind.TIMEOUT)
    assert isinstance(decoder(hasty).decode(content(gif())), Picture)
    assert child() != before


def test_what_a_decoder_writes_is_in_the_log_with_the_name_and_cut_short(
    apart: Apart, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    for number in range(20):
        decoder(apart).decode(content(fax(1, 20_000, 10_000), f"/cam/{number}\n.tif"))
    assert "/cam/0\\n.tif: its decoder says: Fax3Decode1D: " in caplog.text
    assert "bytes more" in caplog.text
    assert "/cam/19" not in caplog.text
    assert len(caplog.text) < 10_000
    assert capfd.readouterr().err == ""


def test_a_child_that_was_ended_between_two_pictures_is_not_missed(apart: Apart) -> None:
    for _ in range(3):
        assert isinstance(decoder(apart).decode(content(gif())), Picture)
        os.kill(child(), signal.SIGKILL)


def ended_again_and_again(apart: Apart, number: signal.Signals) -> Picture | Failed:
    """What becomes of a picture whose children are sent a signal until it is done with."""
    outcome: list[Picture | Failed] = []
    thread = threading.Thread(target=lambda: outcome.append(decoder(apart).decode(content(SLOW))))
    thread.start()
    while thread.is_alive():
        for begun in tuple(apart._busy):
            os.kill(begun._process.pid, number)
        thread.join(0.01)
    return outcome[0]


@pytest.mark.parametrize(("number", "retryable"), [(signal.SIGKILL, True), (signal.SIGSEGV, False)])
def test_a_picture_whose_child_dies_twice_fails(
    apart: Apart, number: signal.Signals, retryable: bool
) -> None:
    outcome = ended_again_and_again(apart, number)
    reason = f"decoding it ended its process twice: killed by {number.name}"
    assert outcome == Failed(content(SLOW).target, "decode", reason, retryable, FailureKind.CRASHED)


def test_signals_that_are_sent_to_all_processes_of_a_service_end_no_child(apart: Apart) -> None:
    decoder(apart).decode(content(gif()))
    pid = child()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    assert isinstance(decoder(apart).decode(content(gif())), Picture)
    assert child() == pid


def test_a_child_has_no_rights_no_settings_and_no_files(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGGER_WEB__TOKEN", "a secret")
    decoder(apart).decode(content(gif()))
    place = Path(f"/proc/{child()}")
    status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines())
    sets = [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
    assert (sets, status["NoNewPrivs"]) == ([0, 0, 0, 0], "1")
    if os.geteuid() == 0:  # else nobody may look, and nothing can be dropped that is not had
        assert int(status["CapBnd"], 16) == 0
        assert "TAGGER_" not in (place / "environ").read_text()
        assert {str(file.readlink()).split(":")[0] for file in (place / "fd").iterdir()} == {
            "pipe",
            "/dev/null",
        }
        limits = (place / "limits").read_text().splitlines()
        assert [line.split()[4] for line in limits if "core file" in line or "file size" in line] == [
            "0",
            "0",
        ]


def test_children_end_with_their_parent_however_that_ends() -> None:
    program = (
        "import os, sys; from tests import kernel; from tests.integration.test_apart import *;"
        "decoder(Apart(DecodeSettings())).decode(content(gif())); print(child(), flush=True); input()"
    )
    with subprocess.Popen(
        (sys.executable, "-c", program), stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        ended = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    assert select.select((ended,), (), (), 10)[0]
    os.close(ended)


def test_a_child_without_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_IDLE", 0)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as requests, os.fdopen(writing, "wb") as answers:
        assert list(decoding._Parent(requests, answers).tasks()) == []


LIES = {
    "is too long": b"\xff\xff\xff\xff",
    "is no JSON": b"\0\0\0\1{",
    "is no answer": b"\0\0\0\2{}",
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
def test_a_child_that_was_taken_over_is_not_believed(apart: Apart, answer: bytes) -> None:
    said = b"+" + answer
    program = f"import sys; sys.stdout.buffer.write({said!r}); sys.stdout.flush(); sys.stdin.read()"
    apart._command = (sys.executable, "-c", program)  # type: ignore[assignment]
    outcome = decoder(apart).decode(content(gif()))
    reason = "decoding it made its process answer nonsense"
    assert outcome == Failed(content(gif()).target, "decode", reason, kind=FailureKind.CRASHED)


def test_that_no_child_starts_is_not_for_the_picture_to_be_blamed_for(apart: Apart) -> None:
    apart._command = (sys.executable, "-c", "raise SystemExit('no numpy')")  # type: ignore[assignment]
    reason = "the process to decode it in does not start: no numpy"
    expected = Failed(content(gif()).target, "decode", reason, True, FailureKind.INTERRUPTED)
    assert decoder(apart).decode(content(gif())) == expected


def test_a_stop_waits_for_no_child() -> None:
    apart = Apart(DecodeSettings())
    outcome: list[Picture | Failed] = []
    thread = threading.Thread(target=lambda: outcome.append(decoder(apart).decode(content(SLOW))))
    thread.start()
    while not apart._busy:
        thread.join(0.01)
    apart.close()
    thread.join()
    expected = Failed(content(SLOW).target, "decode", "Tagger ends", True, FailureKind.INTERRUPTED)
    assert outcome == [expected]


def test_nothing_is_decoded_once_they_are_closed() -> None:
    apart = Apart(DecodeSettings())
    apart.close()
    expected = Failed(content(gif()).target, "decode", "Tagger ends", True, FailureKind.INTERRUPTED)
    assert decoder(apart).decode(content(gif())) == expected
