"""Pictures that are decoded in children: what comes back, and what becomes of a child that a picture wears out or takes over."""

import io
import logging
import os
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from tagger.config.tagging import DecodeSettings
from tagger.errors import TaggerError
from tagger.host.confinement import MemoryBound
from tagger.records import Content, Failed, FailureKind, Picture, Stamp
from tagger.vision import child_main
from tagger.vision.budget import PixelBudget
from tagger.vision.child_decoder import ChildDecoder, is_risky
from tagger.vision.decode import SUFFIXES, Decoder, Mode
from tagger.vision.thumbnail import Thumbnailer
from tests import kernel
from tests.unit.test_decode_long import fax
from tests.unit.test_hostile_pictures import PREPROCESSING, mutants, seeds, vast_avif

RISKY = {name: data for name, data in seeds().items() if is_risky(data)}
SLOW = fax(200, 200_000, 10_000)
"""Half a second: libtiff has something to say of each row."""


def content(data: bytes, name: str = "/cam/a picture") -> Content:
    return Content(Stamp(name, "cam", len(data), 0, 0), data, "a hash", 3)


def decoder(children: ChildDecoder | None, mode: Mode = "fast") -> Decoder:
    return Decoder(PREPROCESSING, DecodeSettings().max_pixels, PixelBudget(), mode, children=children)


def gif() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(file, "GIF")
    return file.getvalue()


@pytest.fixture
def children() -> Iterator[ChildDecoder]:
    with closing(ChildDecoder(DecodeSettings())) as made:
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChildDecoder]:
    """A tenth of a second for each picture."""
    monkeypatch.setattr("tagger.vision.child_decoder._PROCESSOR_SHARE", 0.1)
    with closing(ChildDecoder(DecodeSettings(deadline=1))) as children:
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


needs_avif = pytest.mark.skipif(".avif" not in SUFFIXES, reason="this Pillow has no AVIF")
MODEST = 500 << 20
"""Bytes that a child never holds of a small picture, whatever that has in store."""
SIDE = 1_600
"""Of an AVIF's frame."""


def avif(**options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "orange").save(file, "AVIF", speed=10, **options)
    return file.getvalue()


def animation() -> bytes:
    return avif(save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE), "blue")])


def claiming(side: int, data: bytes) -> bytes:
    """It is claimed in pixels, and in those of 65536 parts."""
    for shift in (0, 16):
        old, new = (struct.pack(">II", number << shift, number << shift) for number in (SIDE, side))
        data = data.replace(old, new)
    return data


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def rebuilt(data: bytes, extents: int, is_in_idat: bool) -> bytes:
    """The same picture, its bytes in as many parts as asked for, one of many ways to say where they are."""
    meta, iloc, mdat = (data.index(kind) - 4 for kind in (b"meta", b"iloc", b"mdat"))
    behind, pixels = iloc + struct.unpack_from(">I", data, iloc)[0], data[mdat + 8 :]
    cuts = [len(pixels) * number // extents for number in range(extents + 1)]

    def file(start: int) -> bytes:
        places = b"".join(struct.pack(">II", start + a, b - a) for a, b in pairwise(cuts))
        places = struct.pack(">IHHHHHH", 1 << 24, 0x4400, 1, 1, is_in_idat, 0, extents) + places
        body = data[meta + 8 : iloc] + box(b"iloc", places) + data[behind:mdat]
        if is_in_idat:
            return data[:meta] + box(b"meta", body + box(b"idat", pixels))
        return data[:meta] + box(b"meta", body) + box(b"mdat", pixels)

    return file(0) if is_in_idat else file(len(file(0)) - len(pixels))


def with_a_frame_that_overrides(data: bytes) -> bytes:
    """The seventh bit of its header says that its size is another one than the sequence's."""
    sequence = data.index(b"\x12\0\x0a") + 3
    frame = sequence + 1 + data[sequence]
    header = frame + (3 if data[frame + 1] > 127 else 2)
    return data[:header] + bytes([data[header] | 2]) + data[header + 1 :]


LAYOUTS: dict[str, Callable[[bytes], bytes]] = {
    "as Pillow writes it": lambda data: data,
    "in two parts": lambda data: rebuilt(data, 2, False),
    "within the header": lambda data: rebuilt(data, 1, True),
}


def peak(pid: int) -> int:
    """The most bytes that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@needs_avif
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_an_avif_whose_frame_is_vast_and_which_claims_to_be_small_is_refused_and_the_next_is_decoded(
    layout: str, mode: Mode
) -> None:
    with closing(ChildDecoder(DecodeSettings(mode=mode))) as children:
        outcome = decoder(children, mode).decode(content(LAYOUTS[layout](vast_avif(64))))
        assert isinstance(outcome, Failed)
        assert outcome.reason.startswith("the picture is damaged: Failed to decode frame 0")
        assert not outcome.retryable
        refusal = thumbnail(vast_avif(64), children)
        assert "the picture is damaged" in str(refusal)
        pid = child()
        assert peak(pid) < MODEST
        assert isinstance(decoder(children, mode).decode(content(avif())), Picture)
        assert child() == pid


@needs_avif
@pytest.mark.parametrize("claimed", [SIDE, 64])
def test_an_avif_whose_frame_is_a_little_larger_than_it_claims_is_decoded(
    children: ChildDecoder, claimed: int
) -> None:
    for data in [animation(), *(layout(avif()) for layout in LAYOUTS.values())]:
        assert isinstance(decoder(children).decode(content(claiming(claimed, data))), Picture)
    assert peak(child()) < MODEST


@needs_avif
def test_an_avif_that_hides_its_size_does_not_cost_the_child(children: ChildDecoder) -> None:
    hidden = avif().replace(b"\x12\0\x0a", b"\x12\0\x7a")
    for data in (with_a_frame_that_overrides(animation()), hidden):
        outcome = decoder(children).decode(content(data))
        assert isinstance(outcome, Picture) or outcome.reason.isprintable()
    assert isinstance(decoder(children).decode(content(hidden)), Failed)
    assert peak(child()) < MODEST


@needs_avif
def test_exif_larger_than_a_cameras_does_not_cost_an_avif(children: ChildDecoder) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "a camera's"
    for description, is_believed in (("small", True), ("a" * (2 << 20), False)):
        exif[ExifTags.Base.ImageDescription] = description
        picture = decoder(children).decode(content(avif(exif=exif)))
        assert isinstance(picture, Picture)
        assert picture.facts.from_camera is is_believed


@pytest.mark.parametrize("name", RISKY)
@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_what_is_decoded_in_a_child_is_the_same_to_the_last_bit(name: str, mode: Mode) -> None:
    with closing(ChildDecoder(DecodeSettings(mode=mode))) as children:
        for _, data in [("", RISKY[name]), *mutants(name, RISKY[name], [*RISKY.values()], 10)]:
            here, there = (decoder(one, mode).decode(content(data)) for one in (None, children))
            assert same(here, there)


def thumbnail(data: bytes, children: ChildDecoder | None) -> bytes | str:
    try:
        return Thumbnailer(DecodeSettings(), children=children).make(data, 320)
    except TaggerError as error:
        return str(error)


def test_so_are_thumbnails_and_what_is_said_where_there_are_none(children: ChildDecoder) -> None:
    for data in [*RISKY.values(), b"no picture"]:
        assert thumbnail(data, children) == thumbnail(data, None)
    child()


def test_jpeg_png_and_webp_need_no_child(children: ChildDecoder) -> None:
    for name, data in seeds().items():
        if name.endswith((".jpg", ".png", ".webp")):
            assert isinstance(decoder(children).decode(content(data)), Picture)
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


def test_one_child_decodes_one_picture_after_the_other(children: ChildDecoder) -> None:
    for _ in range(5):
        decoder(children).decode(content(gif()))
    child()


def test_a_picture_that_takes_too_long_fails_for_good_and_the_next_is_decoded(hasty: ChildDecoder) -> None:
    decoder(hasty).decode(content(gif()))
    before = child()
    outcome = decoder(hasty).decode(content(SLOW))
    reason = "decoding it took more than 0.1 s"
    assert outcome == Failed(content(SLOW).target, "decode", reason, kind=FailureKind.TIMEOUT)
    assert isinstance(decoder(hasty).decode(content(gif())), Picture)
    assert child() != before


def test_what_a_decoder_writes_is_in_the_log_with_the_name_and_cut_short(
    children: ChildDecoder, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    for number in range(20):
        decoder(children).decode(content(fax(1, 20_000, 10_000), f"/cam/{number}\n.tif"))
    assert "/cam/0\\n.tif: its decoder says: Fax3Decode1D: " in caplog.text
    assert "bytes more" in caplog.text
    assert "/cam/19" not in caplog.text
    assert len(caplog.text) < 10_000
    assert capfd.readouterr().err == ""


def test_a_child_that_was_ended_between_two_pictures_is_not_missed(children: ChildDecoder) -> None:
    for _ in range(3):
        assert isinstance(decoder(children).decode(content(gif())), Picture)
        os.kill(child(), signal.SIGKILL)


def ended_again_and_again(children: ChildDecoder, number: signal.Signals) -> Picture | Failed:
    """What becomes of a picture whose children are sent a signal until it is done with."""
    outcome: list[Picture | Failed] = []
    thread = threading.Thread(target=lambda: outcome.append(decoder(children).decode(content(SLOW))))
    thread.start()
    while thread.is_alive():
        for begun in tuple(children._busy):
            os.kill(begun._process.pid, number)
        thread.join(0.01)
    return outcome[0]


@pytest.mark.parametrize(("number", "retryable"), [(signal.SIGKILL, True), (signal.SIGSEGV, False)])
def test_a_picture_whose_child_dies_twice_fails(
    children: ChildDecoder, number: signal.Signals, retryable: bool
) -> None:
    outcome = ended_again_and_again(children, number)
    reason = f"decoding it ended its process twice: killed by {number.name}"
    assert outcome == Failed(content(SLOW).target, "decode", reason, retryable, FailureKind.CRASHED)


def test_signals_that_are_sent_to_all_processes_of_a_service_end_no_child(children: ChildDecoder) -> None:
    decoder(children).decode(content(gif()))
    pid = child()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    assert isinstance(decoder(children).decode(content(gif())), Picture)
    assert child() == pid


def test_a_child_has_no_rights_no_settings_and_no_files(
    children: ChildDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGGER_WEB__TOKEN", "a secret")
    decoder(children).decode(content(gif()))
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
        "import os, sys; from tests import kernel; from tests.integration.test_child_decoder import *;"
        "decoder(ChildDecoder(DecodeSettings())).decode(content(gif())); print(child(), flush=True); input()"
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
    monkeypatch.setattr(child_main, "_IDLE", 0)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as requests, os.fdopen(writing, "wb") as answers:
        assert list(child_main._Parent(requests, answers, MemoryBound(0)).tasks()) == []


LIES = {
    "is too long": b"\xff\xff\xff\xff",
    "is no JSON": b"\0\0\0\1{",
    "is no answer": b"\0\0\0\2{}",
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
def test_a_child_that_was_taken_over_is_not_believed(children: ChildDecoder, answer: bytes) -> None:
    said = b"+" + answer
    program = f"import sys; sys.stdout.buffer.write({said!r}); sys.stdout.flush(); sys.stdin.read()"
    children._command = (sys.executable, "-c", program)  # type: ignore[assignment]
    outcome = decoder(children).decode(content(gif()))
    reason = "decoding it made its process answer nonsense"
    assert outcome == Failed(content(gif()).target, "decode", reason, kind=FailureKind.CRASHED)


def test_that_no_child_starts_is_not_for_the_picture_to_be_blamed_for(children: ChildDecoder) -> None:
    children._command = (sys.executable, "-c", "raise SystemExit('no numpy')")  # type: ignore[assignment]
    reason = "the process to decode it in does not start: no numpy"
    expected = Failed(content(gif()).target, "decode", reason, True, FailureKind.INTERRUPTED)
    assert decoder(children).decode(content(gif())) == expected


def test_a_stop_waits_for_no_child() -> None:
    children = ChildDecoder(DecodeSettings())
    outcome: list[Picture | Failed] = []
    thread = threading.Thread(target=lambda: outcome.append(decoder(children).decode(content(SLOW))))
    thread.start()
    while not children._busy:
        thread.join(0.01)
    children.close()
    thread.join()
    expected = Failed(content(SLOW).target, "decode", "Tagger ends", True, FailureKind.INTERRUPTED)
    assert outcome == [expected]


def test_nothing_is_decoded_once_they_are_closed() -> None:
    children = ChildDecoder(DecodeSettings())
    children.close()
    expected = Failed(content(gif()).target, "decode", "Tagger ends", True, FailureKind.INTERRUPTED)
    assert decoder(children).decode(content(gif())) == expected


def test_a_child_tells_when_a_picture_was_taken_and_what_told_it(children: ChildDecoder) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.DateTime] = "2015:08:22 24:08:19"
    Image.new("RGB", (60, 40), "red").save(file, "TIFF", exif=exif)
    told = decoder(children).decode(content(file.getvalue()))
    assert isinstance(told, Picture)
    assert (told.facts.taken_at, told.facts.taken_from) == (datetime(2015, 8, 23, 0, 8, 19), "exif_datetime")
    assert same(told, decoder(None).decode(content(file.getvalue())))
