"""The page in a real browser, beside a real daemon."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Painter
from tests.e2e.browser import phone, sticks_out, tab
from tests.e2e.command import rows, running, tagger
from tests.e2e.site import TOKEN, Site, picture, serve, site_of

pytestmark = pytest.mark.long

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 128, 0)
PAGES = ("/", "/pictures/1", "/try", "/status", "/docs")


@pytest.fixture
def site(browser: Browser, tmp_path: Path, inbox: Path) -> Iterator[Site]:
    with serve(tmp_path) as daemon, site_of(daemon) as site:
        yield site


@pytest.fixture(scope="module")
def standing(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A daemon that has tagged one picture, for what leaves no trace."""
    home = tmp_path_factory.mktemp("standing")
    (home / "inbox").mkdir()
    (home / "inbox" / "red.png").write_bytes(picture(RED))
    with serve(home) as daemon, site_of(daemon) as site:
        daemon.wait_for("red.png: red")
        yield site


def cards(page: Page, text: str = "") -> int:
    return page.locator("li.card").filter(has_text=text).count()


def test_a_picture_appears_as_it_arrives(site: Site, page: Page, inbox: Path, paint: Painter) -> None:
    paint(inbox / "first.png", BLUE)
    site.daemon.wait_for("first.png: ")
    page.goto(site.address)
    expect(page.locator("li.card")).to_have_count(1)
    paint(inbox / "second.png", RED)
    expect(page.locator("li.card")).to_have_count(2)
    first = page.locator("li.card").first
    expect(first).to_contain_text("red")
    expect(first.locator("img")).to_have_js_property("complete", True)
    assert first.locator("img").evaluate("image => image.naturalWidth") == 64


def test_who_reads_farther_down_is_told_and_not_moved(
    site: Site, page: Page, inbox: Path, paint: Painter
) -> None:
    for number in range(40):
        paint(inbox / f"{number}.png", BLUE, number)
    site.daemon.wait_for("tagged|39.png")
    page.goto(site.address)
    expect(page.locator("li.card")).to_have_count(40)
    page.evaluate("scrollTo(0, 1200)")
    paint(inbox / "new.png", RED)
    news = page.get_by_role("button", name="New pictures")
    expect(news).to_be_visible()
    assert page.evaluate("scrollY") > 1000
    assert cards(page, "red") == 0
    news.click()
    expect(page.locator("li.card").first).to_contain_text("red")
    assert page.evaluate("scrollY") == 0


def test_the_gallery_goes_on_without_end_and_without_growing(
    site: Site, page: Page, inbox: Path, paint: Painter
) -> None:
    for number in range(400):
        paint(inbox / f"{number:03}.png", RED, number)
    page.goto(site.address)
    expect(page.locator("li.card").first).to_be_visible()
    while site.get("/stats")["files"]["done"] < 400:
        page.wait_for_timeout(100)
    page.reload()
    seen: set[str] = set()
    while len(seen) < 400:
        shown = page.locator("li.card").evaluate_all("cards => cards.map(card => card.dataset.id)")
        seen |= set(shown)
        page.mouse.wheel(0, 1500)
        page.wait_for_timeout(50)
    assert seen == {str(number) for number in range(1, 401)}
    assert page.locator("li.card").count() < 300
    page.evaluate("scrollTo(0, 0)")
    expect(page.locator("li.card[data-id='400']")).to_be_in_viewport()
    page.wait_for_function("document.querySelector('li.card').dataset.id === '400'")


def test_a_search_finds_and_completes_names(site: Site, page: Page, inbox: Path, paint: Painter) -> None:
    paint(inbox / "red.png", RED)
    paint(inbox / "blue.png", BLUE)
    site.daemon.wait_for("tagged 2|blue.png|red.png")
    page.goto(site.address)
    expect(page.locator("li.card")).to_have_count(2)
    box = page.get_by_role("combobox", name="Search")
    box.press_sequentially("re")
    expect(page.get_by_role("option").first).to_be_visible()
    names = page.get_by_role("option").all_inner_texts()
    assert any(name.startswith("red") for name in names)
    box.press("ArrowDown")
    box.press("Enter")
    assert box.input_value() == names[0].split("\n")[0]
    box.fill("not red and ")
    box.press_sequentially("blu")
    page.get_by_role("option").first.click()
    assert box.input_value() == "not red and blue"
    box.press("Enter")
    page.wait_for_url("**q=not+red+and+blue*")
    expect(page.locator("li.card")).to_have_count(1)
    expect(page.locator("li.card")).to_contain_text("blue")


def test_a_mistake_in_a_search_is_shown_where_it_is(standing: Site, page: Page) -> None:
    page.goto(f"{standing.address}/?q=reed&since=24h")
    expect(page.get_by_role("alert").first.locator("mark")).to_have_text("reed")
    expect(page.get_by_role("combobox", name="Search")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("alert").first.get_by_role("link", name="red").click()
    page.wait_for_url("**q=red&since=24h")


def test_a_mistake_in_a_search_is_told_in_the_readers_language(standing: Site, page: Page) -> None:
    page.goto(f"{standing.address}/?q=reed >&lang=zh")
    told = page.get_by_role("alert").first
    expect(told).to_contain_text("看不懂 '>'")
    expect(told).to_contain_text("只能写 NAME >= 0.5")
    expect(told.locator("mark")).to_have_text(">")


def test_where_nothing_waits_no_figure_is_empty_and_queues_are_a_detail(standing: Site, page: Page) -> None:
    page.goto(f"{standing.address}/status")
    expect(page.locator(".figure").filter(has_text="Waiting")).to_contain_text("0")
    expect(page.locator(".figure").filter(has_text="Left")).to_have_count(0)
    assert "–" not in page.locator(".figures").inner_text()
    queues = page.get_by_text("to be stored 0")
    expect(queues).to_be_hidden()
    page.get_by_text("In hand").click()
    expect(queues).to_be_visible()
    with page.expect_response("**/status?part=1"):
        page.get_by_role("heading", level=1).click()
    expect(queues).to_be_visible()


def test_filters_are_an_address_and_hold_together(
    site: Site, page: Page, inbox: Path, paint: Painter
) -> None:
    paint(inbox / "red.png", RED)
    paint(inbox / "blue.png", BLUE)
    site.daemon.wait_for("tagged 2|blue.png|red.png")
    page.goto(f"{site.address}/?q=red")
    page.get_by_label("Source").select_option("inbox")
    page.wait_for_url("**source=inbox")
    page.get_by_label("Time").select_option("Last 24 hours")
    page.wait_for_url("**since=24h")
    assert page.url == f"{site.address}/?q=red&source=inbox&since=24h"
    expect(page.locator("li.card")).to_have_count(1)
    page.get_by_label("Certainty").select_option("Uncertain")
    page.wait_for_url("**certainty=uncertain")
    expect(page.get_by_text("Nothing was found")).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("li.card")).to_have_count(2)


def test_a_condition_is_a_filter(site: Site, page: Page, inbox: Path, paint: Painter) -> None:
    paint(inbox / "red.png", RED)
    paint(inbox / "blue.png", BLUE)
    site.daemon.wait_for("tagged 2|blue.png|red.png")
    page.goto(site.address)
    page.get_by_label("Condition").select_option("dark")
    page.wait_for_url("**condition=dark")
    expect(page.locator("li.card")).to_have_count(1)
    expect(page.locator("li.card")).to_contain_text("blue")


def test_a_verdict_takes_one_key(site: Site, page: Page, inbox: Path, paint: Painter, tmp_path: Path) -> None:
    paint(inbox / "red.png", RED)
    site.daemon.wait_for("red.png: red")
    page.goto(f"{site.address}/pictures/1")
    tags, said = page.locator("#tags"), page.locator("#said")
    page.keyboard.press("n")
    expect(said).to_have_text("red: Rejected by you")
    assert rows(tmp_path / "tags.db", "SELECT count(*) FROM image_tags WHERE label = 'red'") == [(0,)]
    wrong = tags.locator("li.wrong")
    while wrong.get_attribute("aria-current") != "true":
        page.keyboard.press("ArrowDown")
    page.keyboard.press("u")
    expect(wrong).to_have_count(0)
    first = tags.locator("li").first
    expect(first).to_contain_text("red")
    while first.get_attribute("aria-current") != "true":
        page.keyboard.press("ArrowUp")
    page.keyboard.press("y")
    expect(said).to_have_text("red: Confirmed by you")
    said_by = "SELECT by FROM image_tags WHERE label = 'red'"
    assert rows(tmp_path / "tags.db", said_by) == [("human",)]


def test_the_neighbours_of_a_picture_are_one_key_away(
    site: Site, page: Page, inbox: Path, paint: Painter
) -> None:
    for name, colour in (("1.png", RED), ("2.png", BLUE)):
        paint(inbox / name, colour)
        site.daemon.wait_for(f"{name}: ")
    page.goto(f"{site.address}/pictures/2")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/pictures/1")
    expect(page.get_by_role("heading", level=1)).to_have_text("1.png")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/pictures/2")


def test_of_a_picture_that_is_tried_and_not_known_guesses_are_shown(
    page: Page, tmp_path: Path, inbox: Path, paint: Painter
) -> None:
    (tmp_path / "own.yaml").write_text("warm: {includes: [mean-colour/red, mean-colour/yellow]}")
    settings = {"TAGGER_SEARCH__MIN_SCORE": "0.9", "TAGGER_CATEGORIES": str(tmp_path / "own.yaml")}
    with serve(tmp_path, settings) as daemon, site_of(daemon) as site:
        page.goto(f"{site.address}/try")
        for name, colour, said in (("orange", (255, 120, 0), "warm"), ("teal", (0, 128, 128), "Not sure")):
            page.locator("#choose").set_input_files(paint(tmp_path / f"{name}.png", colour))
            expect(page.locator("#answer .tags")).to_contain_text(said)
            expect(page.locator("#answer .guesses li")).to_have_count(3)


def test_a_picture_is_tried_by_choosing_dropping_and_pasting(
    standing: Site, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{standing.address}/try")
    (tmp_path / "green.png").write_bytes(picture(GREEN))
    page.locator("#choose").set_input_files(tmp_path / "green.png")
    expect(page.locator("#answer li").first).to_contain_text("green")
    expect(page.locator("#answer li")).to_have_count(3)
    expect(page.locator("#answer")).to_contain_text(re.compile(r"\d+ ms"))
    for kind, colour, name in (("drop", BLUE, "blue"), ("paste", RED, "red")):
        page.evaluate(HANDED, [kind, list(picture(colour))])
        expect(page.locator("#answer li").first).to_contain_text(name)
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.locator("#choose").set_input_files(tmp_path / "no.png")
    expect(page.locator("#answer")).to_contain_text("not a picture")
    assert len(standing.get("/images")["images"]) == 1


HANDED = """([kind, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], "picture.png", { type: "image/png" }));
    const event = kind === "drop"
        ? new DragEvent("drop", { dataTransfer: data, bubbles: true })
        : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
    document.getElementById("drop").dispatchEvent(event);
}"""


def test_the_status_follows_the_work_and_failures_are_tried_again(
    site: Site, page: Page, inbox: Path, tmp_path: Path
) -> None:
    page.goto(f"{site.address}/status")
    (inbox / "late.png").write_bytes(b"half a picture")
    failures = page.get_by_role("region", name="Failures")
    expect(failures).to_contain_text("late.png")
    expect(failures).to_contain_text("not a picture")
    # Nobody could decode it, so there is nothing to look at.
    for path in ("/?q=state:failed", "/pictures/1"):
        page.goto(site.address + path)
        expect(page.get_by_text("late.png").first).to_be_attached()
    page.goto(f"{site.address}/status")
    page.get_by_role("button", name="Retry all").click()
    site.daemon.wait_for("late.png: ")
    tagger(tmp_path, "pause", "--database", tmp_path / "tags.db")
    expect(page.get_by_text("Paused")).to_be_visible()
    inbox.rename(inbox.with_name("elsewhere"))
    expect(page.get_by_role("region", name="Sources")).to_contain_text("is away")


def test_the_chart_counts_what_was_seen_by_the_hour(
    site: Site, page: Page, inbox: Path, paint: Painter
) -> None:
    page.goto(f"{site.address}/status")
    expect(page.locator("#chart")).to_contain_text("No pictures in this time.")
    page.get_by_role("button", name="a year").click()
    expect(page.get_by_role("button", name="a year")).to_have_attribute("aria-pressed", "true")


def test_names_of_files_are_text_and_nothing_else(
    site: Site, page: Page, inbox: Path, paint: Painter
) -> None:
    name = "<img src=x onerror=alert(1)>&'\".png"
    paint(inbox / name, RED)
    (inbox / "<script>alert(2)<script>.png").write_bytes(b"no picture")
    site.daemon.wait_for("script")
    for path in ("/", "/pictures/1", "/status"):
        page.goto(site.address + path)
        assert page.evaluate("document.querySelectorAll('[onerror], main script').length") == 0
    page.goto(f"{site.address}/pictures/1")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_everybody(
    standing: Site, browser: Browser, language: str, scheme: "str"
) -> None:
    with tab(browser, color_scheme=scheme, locale=language) as page:
        for path in PAGES:
            page.goto(standing.address + path, wait_until="networkidle" if path == "/try" else "load")
            expect(page.locator("html")).to_have_attribute("lang", "zh-Hans" if language == "zh" else "en")
            found = Axe().run(page)
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"


@pytest.mark.parametrize("path", [*PAGES, "/?q=reed"])
def test_on_a_phone_nothing_sticks_out(standing: Site, browser: Browser, path: str) -> None:
    with phone(browser) as page:
        page.goto(standing.address + path)
        assert not sticks_out(page)


def test_the_language_and_the_colours_that_were_chosen_stay(standing: Site, page: Page) -> None:
    page.goto(standing.address)
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("link", name="图库")).to_be_visible()
    page.get_by_role("button", name="深色或浅色").click()
    page.goto(f"{standing.address}/status")
    expect(page.get_by_role("heading", level=1)).to_have_text("状态")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_without_script_the_gallery_has_pages(
    site: Site, browser: Browser, inbox: Path, paint: Painter
) -> None:
    for number in range(61):
        paint(inbox / f"{number:03}.png", RED, number)
    site.daemon.wait_for("tagged")
    with tab(browser, java_script_enabled=False) as page:
        while site.get("/stats")["files"]["done"] < 61:
            page.wait_for_timeout(100)
        page.goto(site.address)
        expect(page.locator("li.card")).to_have_count(60)
        page.get_by_role("link", name="More").click()
        expect(page.locator("li.card")).to_have_count(1)


def test_a_browser_says_the_token_once(browser: Browser, tmp_path: Path, inbox: Path, page: Page) -> None:
    with serve(tmp_path, token=TOKEN) as daemon, site_of(daemon) as site:
        page.goto(f"{site.address}/status")
        expect(page.get_by_label("The token")).to_be_visible()
        page.get_by_label("The token").fill(TOKEN)
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url("**/status")
        expect(page.get_by_role("heading", level=1)).to_have_text("Status")
        cookies = page.context.cookies()
        assert [(one["httpOnly"], TOKEN in one["value"]) for one in cookies] == [(True, False)]
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("The token")).to_be_visible()
        assert page.context.cookies() == []
        page.goto(f"{site.address}/login?token={TOKEN}&to=//evil.example")
        assert page.url == f"{site.address}/"
        page.goto("about:blank")


def test_below_a_path_the_page_does_all_that_it_does_elsewhere(
    browser: Browser, tmp_path: Path, inbox: Path, page: Page, paint: Painter
) -> None:
    asked: list[str] = []
    page.on("request", lambda one: asked.append(urlsplit(one.url).path))
    public = "http://pictures.example/tagger"
    with serve(tmp_path, token=TOKEN, public_url=public) as daemon, site_of(daemon) as site:
        page.goto(f"{site.address}/tagger/")
        page.get_by_label("The token").fill(TOKEN)
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("#pages")).to_be_attached()
        paint(inbox / "red.png", RED)
        page.locator("li.card a").click()
        page.wait_for_url("**/tagger/pictures/1")
        page.keyboard.press("n")
        expect(page.locator("#said")).to_have_text("red: Rejected by you")
        page.get_by_label("Dark or light").click()
        page.get_by_role("link", name="Status").click()
        expect(page.locator("#chart button").first).to_be_visible()
        assert {one["path"] for one in page.context.cookies()} == {"/tagger"}
        page.goto("about:blank")
    assert [one for one in asked if not one.startswith("/tagger/") and one != "blank"] == []


def test_tagger_web_has_the_page_too(browser: Browser, tmp_path: Path, page: Page) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "red.png").write_bytes(picture(RED))
    tagger(tmp_path, "scan", tmp_path / "inbox", "--database", tmp_path / "tags.db")
    options = {"command": "web", "first": "web:", "TAGGER_WEB__PORT": "0"}
    with running(tmp_path, "--database", tmp_path / "tags.db", **options) as daemon, site_of(daemon) as site:
        page.goto(site.address)
        page.locator("li.card a").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("red.png")
        assert page.locator("[data-say]").count() == 0
        page.goto("about:blank")
