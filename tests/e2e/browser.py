"""The page in a real browser: Debian's Chromium, and tabs of it that notice what goes wrong in them."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

expect.set_options(timeout=30_000)
WIDE = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where there is none."""
    program = shutil.which("chromium")
    if not program:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def tab(browser: Browser, **options: Any) -> Iterator[Page]:
    """A tab of its own, of an English reader at a desk if not said otherwise. What its console complains of fails the test."""
    complaints: list[str] = []
    with browser.new_context(**{"viewport": WIDE, "locale": "en-GB", **options}) as context:
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        yield page
    assert complaints == []


def phone(browser: Browser, **options: Any) -> AbstractContextManager[Page]:
    """A tab as a phone has it."""
    return tab(browser, viewport=PHONE, has_touch=True, is_mobile=True, **options)


def sticks_out(page: Page) -> bool:
    """Whether the page is wider than its window was made; a phone's grows with what is in it."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    return bool(page.viewport_size and wide > page.viewport_size["width"])
