"""Pictures of the page for docs/page/: `python -m tools.screenshots`, with Chromium.

What they show is scikit-image's own public-domain pictures, whole and in parts, as four folders would have them, and painted
scenes of a game, of which a head learns. Some letters are Chinese: fonts-wqy-microhei has them.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import skimage.data
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tools.painted import SCENES, painted

TO = Path(__file__).parents[1] / "docs" / "page"
FOLDERS = {
    "scans": ("hubble_deep_field", "moon", "horse", "coins"),
    "screenshots": ("page", "text", "logo", "colorwheel", "phantom"),
    "gate": ("motorcycle_left", "motorcycle_right", "brick", "grass", "gravel"),
    "holidays": ("astronaut", "camera", "rocket", "coffee", "chelsea"),
}
"""The last of the last is the newest, and so comes first."""
PARTS = ((0, 0, 1, 1), (0, 0, 0.7, 0.7), (0.3, 0, 1, 0.7), (0.15, 0.2, 0.9, 1))
GAME, PAINTED, GIVEN = "game", 16, 8
"""The folder of the game, how many pictures of each scene it has, and how many of those are given as examples."""
PAGES = {"gallery": "/", "picture": "/pictures/{coffee}", "try": "/try", "status": "/status", "api": "/docs"}
PAGES |= {"head": "/teach/scene", "review": "/review/scene"}
ALL_SEEN = """[...document.images].every(one =>
    one.complete || one.getBoundingClientRect().top > innerHeight || !one.offsetParent)"""
LOOKS = {"light": (1280, 920), "dark": (1280, 920), "phone": (390, 844)}
CONFIG = """
sources: [{sources}]
database: tags.db
heads: [scene]
log_format: text
web: {{enabled: true, port: 0}}
"""


def main() -> None:
    with home() as folder, daemon(folder) as address:
        wait_for_all(address, len(list(folder.glob("*/*.jpg"))))
        teach(address)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for look, size in LOOKS.items():
                take(browser, address, look, size)
            browser.close()


@contextmanager
def home() -> Iterator[Path]:
    """A path that looks well on a page."""
    folder = Path(tempfile.gettempdir()) / "home"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def pictures(home: Path) -> None:
    """Files of the last day and a half, a few minutes apart."""
    now, number = datetime.now(UTC), 0
    for part in PARTS:
        for folder, names in FOLDERS.items():
            (home / folder).mkdir(exist_ok=True)
            for name in names:
                file = home / folder / f"{name}-{PARTS.index(part)}.jpg"
                cut(load(name), part).save(file, quality=90)
                number += 1
                when = (now - timedelta(minutes=37 * (80 - number))).timestamp()
                os.utime(file, (when, when))
    game(home, now - timedelta(days=3))
    (home / "gate" / "half.jpg").write_bytes(b"\xff\xd8\xff\xe0")


def game(home: Path, when: datetime) -> None:
    """Files that are older than all others, so that the gallery begins with those."""
    (home / GAME).mkdir()
    for number in range(PAINTED):
        for scene in SCENES:
            file = home / GAME / f"{scene}-{number:02}.jpg"
            painted(scene, number).save(file, quality=90)
            when -= timedelta(minutes=9)
            os.utime(file, (when.timestamp(),) * 2)


def load(name: str) -> Image.Image:
    if name == "colorwheel":
        return Image.fromarray(skimage.data.colorwheel())
    for suffix in (".png", ".jpg"):
        file = Path(skimage.data.__file__).parent / f"{name}{suffix}"
        if file.exists():
            return Image.open(file).convert("RGB")
    raise FileNotFoundError(name)


def cut(image: Image.Image, part: tuple[float, float, float, float]) -> Image.Image:
    left, top, right, bottom = part
    width, height = image.size
    return image.crop((int(left * width), int(top * height), int(right * width), int(bottom * height)))


@contextmanager
def daemon(home: Path) -> Iterator[str]:
    """Its address."""
    pictures(home)
    (home / "config.yaml").write_text(CONFIG.format(sources=", ".join([*FOLDERS, GAME])))
    tagger = Path(sys.executable).with_name("tagger")
    variables = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    with subprocess.Popen(
        [tagger, "run", "-c", home / "config.yaml"], env=variables, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = next(line for line in process.stderr or () if "web: " in line)
            yield line.split("web: ")[1].strip()
        finally:
            process.terminate()


def wait_for_all(address: str, files: int) -> None:
    while sum(httpx.get(f"{address}/stats").json()["files"][state] for state in ("done", "failed")) < files:
        time.sleep(0.2)


def teach(address: str) -> None:
    """Have a head learn of some of the game; one example is given wrongly, for its page to find."""
    with httpx.Client(base_url=address, timeout=30) as client:
        found = client.get(f"/images?q=in {GAME}&limit=100").json()["images"]
        ids = {Path(one["path"]).stem: one["id"] for one in found}
        given = {scene: [ids[f"{scene}-{at:02}"] for at in range(GIVEN)] for scene in SCENES}
        given["city"].append(ids[f"battle-{GIVEN:02}"])
        for label, images in given.items():
            client.post("/heads/scene/examples", json={"label": label, "images": images}).raise_for_status()
        client.post("/heads/scene/teach").raise_for_status()
        while (state := client.get("/heads/scene").json())["state"] != "in use" or state["left"]:
            time.sleep(0.2)


def take(browser: Browser, address: str, look: str, size: tuple[int, int]) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if look == "dark" else "light",
        has_touch=look == "phone",
        is_mobile=look == "phone",
        locale="en-GB",
    )
    page = context.new_page()
    coffee = page.request.get(f"{address}/images?q=path:*coffee-0*").json()["images"][0]["id"]
    for name, path in PAGES.items():
        page.goto(address + path.format(coffee=coffee))
        if name == "try":
            page.locator("#choose").set_input_files(Path(skimage.data.__file__).parent / "coffee.png")
            page.locator("#answer li").first.wait_for()
        if name == "review":
            skip_to_the_game(page)
        while not page.evaluate(ALL_SEEN):
            page.wait_for_timeout(100)
        page.wait_for_timeout(1500)
        TO.mkdir(exist_ok=True)
        shot = Image.open(io.BytesIO(page.screenshot()))
        shot.convert("RGB").save(TO / f"{name}-{look}.webp", quality=82, method=6)
    context.close()


def skip_to_the_game(page: Page) -> None:
    """Pass over pictures of other folders, which are asked for as well: they show none of the labels."""
    for _ in range(60):
        name = page.locator(".queue img").first.get_attribute("alt") or ""
        if name.startswith(tuple(SCENES)):
            return
        page.keyboard.press("Space")


if __name__ == "__main__":
    main()
