"""Times in the names of pictures."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config.file_names import time_in

SECOND = datetime(2026, 3, 26, 13, 17, 15)
MOMENT = SECOND.replace(microsecond=123_000)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("IMG_20260326_131715.jpg", SECOND),
        ("IMG_20260326_131715_HDR.jpg", SECOND),
        ("IMG_20260326_131715123.jpg", MOMENT),
        ("IMG-20260326-131715.jpg", SECOND),
        ("VID_20260326_131715.jpg", SECOND),
        ("MVIMG_20260326_131715.jpg", SECOND),
        ("PANO_20260326_131715.vr.jpg", SECOND),
        ("20260326_131715.jpg", SECOND),
        ("20260326_131715(0).jpg", SECOND),
        ("20260326131715_1.png", SECOND),
        ("2026-03-26 13.17.15.jpg", SECOND),
        ("2026-03-26_13.17.15.png", SECOND),
        ("2026-03-26T13:17:15.123.png", MOMENT),
        ("Screenshot 2026-03-26 at 13.17.15.png", SECOND),
        ("Screenshot 2026-03-26 at 13.17.15 (2).png", SECOND),
        ("Screen Shot 2026-03-26 at 1.17.15 PM.png", SECOND),
        ("Screenshot 2026-03-26 at 1.17.15\u202fPM.png", SECOND),
        ("Screenshot 2026-03-26 at 12.17.15\u202fAM.png", SECOND.replace(hour=0)),
        ("Screenshot from 2026-03-26 13-17-15.png", SECOND),
        ("Screenshot 2026-03-26 131715.png", SECOND),
        ("Screenshot_20260326-131715.png", SECOND),
        ("Screenshot_20260326-131715_Chrome.png", SECOND),
        ("Screenshot_2026-03-26-13-17-15-123_com.android.chrome.jpg", MOMENT),
        ("Bildschirmfoto 2026-03-26 um 13.17.15.png", SECOND),
        ("截屏2026-03-26 13.17.15.png", SECOND),
        ("截屏2026-03-26 下午1.17.15.png", SECOND),
        ("微信图片_20260326131715.jpg", SECOND),
        ("WhatsApp Image 2026-03-26 at 13.17.15.jpeg", SECOND),
        ("vlcsnap-2026-03-26-13h17m15s123.png", MOMENT),
        ("WIN_20260326_13_17_15_Pro.jpg", SECOND),
        ("photo_2026-03-26_13-17-15.jpg", SECOND),
        ("signal-2026-03-26-131715.jpeg", SECOND),
        ("signal-2026-03-26-13-17-15-123-1.jpg", MOMENT),
        ("IMG-20260326-WA0001.jpg", datetime(2026, 3, 26)),
        ("VID-20260326-WA0001.jpg", datetime(2026, 3, 26)),
        ("PXL_20260326_131715123.jpg", MOMENT.replace(tzinfo=UTC)),
        ("PXL_20260326_131715123.MP.jpg", MOMENT.replace(tzinfo=UTC)),
        ("mmexport1774531035123.jpg", MOMENT.replace(tzinfo=UTC)),
        ("FB_IMG_1774531035123.jpg", MOMENT.replace(tzinfo=UTC)),
    ],
)
def test_programs_write_the_time_into_names(name: str, told: datetime) -> None:
    assert time_in(name, None) == told


@pytest.mark.parametrize(
    "name",
    [
        "",
        "DSC_1234.jpg",
        "IMG_20260326.jpg",
        "2026-03-26.jpg",
        "IMG_20261326_131715.jpg",
        "IMG_20260326_251715.jpg",
        "IMG_20260326_131760.jpg",
        "IMG_00000000_000000.jpg",
        "IMG-20261326-WA0001.jpg",
        "IMG_20260326_13171.jpg",
        "IMG_20260326_1317151.jpg",
        "Cam2.20260326_131715.jpg",
        "12345678901234567890.jpg",
        "Screenshot 2026-03-26 at 91715.png",
        "IMG_２０２６０３２６_131715.jpg",
    ],
)
def test_other_digits_are_no_time(name: str) -> None:
    assert time_in(name, None) is None


def test_names_are_by_the_clock_of_the_source_but_a_pixels() -> None:
    zone = datetime.now().astimezone().tzinfo
    assert time_in("IMG_20260326_131715.jpg", zone) == SECOND.replace(tzinfo=zone)
    assert time_in("PXL_20260326_131715123.jpg", zone) == MOMENT.replace(tzinfo=UTC)


@given(st.text() | st.from_regex(r"\D{0,9}\d{0,20}[-_. ]?\d{0,20}.jpg"))
def test_no_name_is_too_strange(name: str) -> None:
    told = time_in(name, UTC)
    assert told is None or told - datetime.min.replace(tzinfo=UTC) >= timedelta()
