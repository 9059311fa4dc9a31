"""Own labels on the page, in a real browser: pictures are selected, reviewed and taught."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tagger.records import Label
from tagger.store.core.database import Database
from tagger.store.tags import heads
from tests.e2e.browser import PHONE, WIDE, phone, sticks_out, tab
from tests.e2e.command import PATIENCE, rows, running, tagger
from tests.e2e.site import Site, serve, site_of

pytestmark = pytest.mark.long

WARM = ("red", "orange", "pink", "rose")
COLOURS = {
    "red": (255, 0, 0), "orange": (255, 130, 0), "pink": (255, 0, 130), "rose": (255, 90, 90),
    "blue": (0, 0, 255), "violet": (130, 0, 255), "sky": (0, 130, 255), "navy": (0, 0, 120),
}  # fmt: skip
GIVEN = "SELECT file.path, label.key FROM verdict JOIN file USING (sha256) JOIN label ON label.id = label_id ORDER BY 1"

LEARNED_WITHIN = 1000 * PATIENCE
"""Milliseconds: another process learns, which leaves the processor to all others."""


@pytest.fixture
def site(browser: Browser, tmp_path: Path, inbox: Path) -> Iterator[Site]:
    for name, colour in COLOURS.items():
        Image.new("RGB", (64, 48), colour).save(inbox / f"{name}.png")
    with serve(tmp_path, {"TAGGER_HEADS": "[mood]"}) as daemon, site_of(daemon) as site:
        while site.get("/stats")["files"]["done"] < len(COLOURS):
            daemon.wait_for("tagged")
        yield site


def given(home: Path) -> dict[str, str]:
    return {Path(path).stem: key for path, key in rows(home / "tags.db", GIVEN)}


def give(site: Site, *cold: str) -> None:
    there = {Path(one["path"]).stem: one["id"] for one in site.get("/images")["images"]}
    for label, names in (("warm", WARM), ("cold", cold)):
        images = [there[name] for name in names]
        site.client.post("/heads/mood/examples", json={"label": label, "images": images}).raise_for_status()


def box(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.get_by_role("checkbox", name=f"Select: {name}.png")


def test_several_pictures_are_selected_and_labelled_at_once(site: Site, page: Page, tmp_path: Path) -> None:
    page.goto(site.address)
    order = page.locator("li.card").evaluate_all("cards => cards.map(card => card.querySelector('img').alt)")
    names = [re.sub(r"^.*, |\.png$", "", alt) for alt in order]
    box(page, names[1]).check()
    box(page, names[4]).click(modifiers=["Shift"])
    expect(page.get_by_text("Selected: 4")).to_be_visible()
    page.locator("li.card").nth(6).locator("img").click()
    expect(page.get_by_text("Selected: 5")).to_be_visible()
    page.get_by_label("Label as").fill("mood:warm")
    page.keyboard.press("Enter")
    expect(page.locator("#labelled")).to_have_text("mood:warm: 5")
    chosen = {*names[1:5], names[6]}
    assert given(tmp_path) == dict.fromkeys(chosen, "mood/warm")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#labelling")).to_be_hidden()
    assert given(tmp_path) == {}
    box(page, names[0]).focus()
    page.keyboard.press("Space")
    page.get_by_label("Label as").fill("nothing")
    page.keyboard.press("Enter")
    expect(page.locator("#labelled")).to_contain_text("such as scene:battle")
    page.keyboard.press("Escape")
    expect(box(page, names[0])).not_to_be_checked()


def test_pictures_are_reviewed_key_by_key(site: Site, page: Page, tmp_path: Path) -> None:
    page.goto(f"{site.address}/review/mood")
    page.get_by_label("Another label").fill("warm")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("Labelled: 1")
    first = next(iter(given(tmp_path)))
    page.keyboard.press("z")
    expect(page.locator("#said")).to_have_text("")
    assert given(tmp_path) == {}
    expect(page.locator(".queue img").first).to_have_attribute("alt", f"{first}.png")
    shown = []
    for key in ("1", "0", " ", "1"):
        shown.append(str(page.locator(".queue img").first.get_attribute("alt")).removesuffix(".png"))
        page.keyboard.press(key)
    expect(page.locator("#said")).to_have_text("Labelled: 3")
    page.wait_for_load_state("networkidle")
    assert shown[0] == first
    assert given(tmp_path) == {shown[0]: "mood/warm", shown[1]: "mood/none", shown[3]: "mood/warm"}
    for _ in range(4):
        page.keyboard.press("1")
    expect(page.locator(".queue img")).to_have_attribute("alt", f"{shown[2]}.png")
    page.keyboard.press("1")
    expect(page.get_by_text("There is no picture to ask for")).to_be_visible()


SWIPE = """([x, y]) => {
    const figure = document.querySelector(".queue figure");
    const at = { bubbles: true, isPrimary: true, pointerType: "touch", pointerId: 1 };
    figure.setPointerCapture = () => {};
    figure.dispatchEvent(new PointerEvent("pointerdown", { ...at, clientX: 200, clientY: 300 }));
    figure.dispatchEvent(new PointerEvent("pointermove", { ...at, clientX: 200 + x, clientY: 300 + y }));
    figure.dispatchEvent(new PointerEvent("pointerup", { ...at, clientX: 200 + x, clientY: 300 + y }));
}"""


def test_on_a_phone_a_swipe_is_an_answer(site: Site, browser: Browser, tmp_path: Path) -> None:
    give(site, "blue")
    shown = []
    with phone(browser) as page:
        page.goto(f"{site.address}/review/mood")
        expect(page.get_by_text("None of them ·")).to_be_visible()
        assert not sticks_out(page)
        for move in ((20, 10), (150, 0), (-150, 10), (0, -150)):
            shown.append(str(page.locator(".queue img").first.get_attribute("alt")).removesuffix(".png"))
            page.evaluate(SWIPE, move)
        expect(page.locator("#said")).to_have_text("Labelled: 2")
        page.wait_for_load_state("networkidle")
    new = {name: key for name, key in given(tmp_path).items() if name not in (*WARM, "blue")}
    assert shown[0] == shown[1]
    assert new == {shown[1]: "mood/warm", shown[2]: "mood/none"}


def test_on_a_phone_a_swipe_is_named_in_the_readers_language(
    browser: Browser, tmp_path: Path, inbox: Path
) -> None:
    with closing(Database.open(str(tmp_path / "tags.db"), create=True)) as database, database.write() as told:
        heads.register(told, "mood", False, [Label("mood/warm", "warm", "暖色")])
    Image.new("RGB", (64, 48), "red").save(inbox / "red.png")
    with serve(tmp_path) as daemon, site_of(daemon) as site, phone(browser, locale="zh-CN") as page:
        daemon.wait_for("red.png: ")
        page.goto(f"{site.address}/review/mood")
        expect(page.locator(".swipes")).to_contain_text("暖色 →")


def test_a_head_is_taught_again_and_its_page_tells_how_good_it_is(site: Site, page: Page) -> None:
    give(site, "blue", "violet", "sky")
    page.goto(f"{site.address}/teach")
    page.get_by_role("link", name="mood").click()
    expect(page.locator("#head")).to_contain_text("not learned")
    page.get_by_role("button", name="Teach").click()
    expect(page.locator("#head")).to_contain_text("in use", timeout=LEARNED_WITHIN)
    expect(page.get_by_role("region", name="What is taken for what").locator("tbody tr")).to_have_count(2)
    expect(page.locator(".figure").first).to_contain_text("Right")
    expect(page.get_by_role("region", name="Examples", exact=True).locator("img")).to_have_count(7)
    page.get_by_role("link", name="Label pictures").click()
    expect(page.locator(".queue img")).to_have_attribute("alt", "navy.png")
    expect(page.locator("button.proposed")).to_have_count(1)


def test_a_pictures_page_has_its_own_labels_with_verdicts(site: Site, page: Page, tmp_path: Path) -> None:
    give(site, "blue", "violet", "sky")
    site.client.post("/heads/mood/teach")
    site.daemon.wait_for("head mood: 8 pictures labelled")
    page.goto(f"{site.address}/?q=mood:cold")
    expect(page.locator("li.card .own").first).to_contain_text("cold")
    page.goto(f"{site.address}/?q=path:*navy.png")
    page.locator("li.card a").click()
    own = page.locator("#tags li", has_text="mood:")
    own.get_by_role("button", name="Confirm").click()
    expect(own).to_contain_text("Confirmed by you")
    key = given(tmp_path)["navy"]
    own.get_by_role("button", name="Undo").click()
    expect(own.get_by_role("button", name="Confirm")).to_be_visible()
    assert "navy" not in given(tmp_path)
    page.get_by_label("Label as").fill("mood:none")
    page.get_by_role("button", name="Label", exact=True).click()
    expect(own).to_contain_text("None of them")
    assert (key in ("mood/cold", "mood/none"), given(tmp_path)["navy"]) == (True, "mood/none")


def test_why_it_was_not_learned_is_shown(site: Site, page: Page, tmp_path: Path) -> None:
    give(site, "blue")
    (tmp_path / "heads").write_text("in the way")
    page.goto(f"{site.address}/teach/mood")
    page.get_by_role("button", name="Teach").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be written", timeout=LEARNED_WITHIN)


def test_without_script_labels_are_given_by_forms(site: Site, browser: Browser, tmp_path: Path) -> None:
    with tab(browser, java_script_enabled=False) as page:
        page.goto(site.address)
        box(page, "red").check()
        box(page, "rose").check()
        page.get_by_label("Label as").fill("mood:warm")
        page.get_by_role("button", name="Label", exact=True).click()
        page.wait_for_url("**/teach/mood")
        assert given(tmp_path) == {"red": "mood/warm", "rose": "mood/warm"}
        page.get_by_role("link", name="Label pictures").click()
        page.get_by_role("button", name="None of them").click()
        page.wait_for_url("**/review/mood")
        assert sorted(given(tmp_path).values()) == ["mood/none", "mood/warm", "mood/warm"]
        page.get_by_role("button", name="Teach again").click()
        page.wait_for_url("**/teach/mood")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_heads_can_be_used_by_everybody(
    site: Site, browser: Browser, language: str, scheme: str
) -> None:
    give(site, "blue", "violet", "sky")
    site.client.post("/heads/mood/teach")
    site.daemon.wait_for("head mood was learned")
    with tab(browser, color_scheme=scheme, locale=language) as page:
        for path in ("/teach", "/teach/mood", "/review/mood", "/"):
            page.goto(site.address + path)
            if path == "/":
                page.get_by_role("checkbox").first.check()
            found = Axe().run(page)
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
            page.set_viewport_size(PHONE)
            assert not sticks_out(page), path
            page.set_viewport_size(WIDE)


def test_tagger_web_tells_of_heads_and_changes_nothing(page: Page, tmp_path: Path, inbox: Path) -> None:
    Image.new("RGB", (64, 48), (255, 0, 0)).save(inbox / "red.png")
    tagger(tmp_path, "scan", inbox, "--database", tmp_path / "tags.db")
    options = {"command": "web", "first": "web:", "TAGGER_WEB__PORT": "0", "TAGGER_HEADS": "[mood]"}
    with running(tmp_path, "--database", tmp_path / "tags.db", **options) as daemon, site_of(daemon) as site:
        page.goto(site.address)
        assert page.get_by_role("checkbox").count() == 0
        page.goto(f"{site.address}/teach")
        page.get_by_role("link", name="mood").click()
        expect(page.locator("#head")).to_contain_text("not learned")
        assert page.get_by_role("button", name="Teach").count() == 0
        said = {"label": "mood:warm", "images": "1"}
        assert site.client.post("/label", data=said).status_code == 403
        assert site.client.post("/teach/mood").status_code == 403
        page.goto("about:blank")
