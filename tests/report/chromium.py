"""A headless Chromium, the one that the system has, with a page whose complaints are collected."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from killed import HANGS_S
from playwright.sync_api import Browser, Request, sync_playwright

from mensa_sim.report.slides.export import BROWSER_FLAGS, find_browser


class Opened:
    """One page that the browser shows; `complaints` are what its console showed and requests to a network."""

    def __init__(self, browser: Browser, path: Path) -> None:
        self.complaints: list[str] = []
        self._page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        self._page.on("console", lambda message: self.complaints.append(message.text))
        self._page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._page.on("request", self._requested)
        self._page.set_default_timeout(HANGS_S * 1000)
        self._page.goto(path.resolve().as_uri())
        self.until("[...document.querySelectorAll('.figure')].every((div) => div.querySelector('.main-svg'))")

    def _requested(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            self.complaints.append(f"request to {request.url}")

    def size(self, width: int, height: int) -> None:
        """Make the window so large."""
        self._page.set_viewport_size({"width": width, "height": height})

    def theme(self, name: str) -> None:
        """What the page is told that its reader prefers: `light` or `dark`."""
        self._page.emulate_media(color_scheme=name)  # type: ignore[arg-type]

    def media(self, kind: str) -> None:
        """What the page is styled for: `screen` or `print`."""
        self._page.emulate_media(media=kind)  # type: ignore[arg-type]

    def value(self, script: str) -> Any:
        """What an expression in the page's own JavaScript is."""
        return self._page.evaluate(script)

    def until(self, script: str) -> Any:
        """What an expression is as soon as it holds; it fails where that never comes, however busy the machine is."""
        return self._page.wait_for_function(script).json_value()

    def hovered(self, x: float, y: float, script: str) -> Any:
        """What an expression is as soon as it holds while the mouse trembles at a place: a busy page misses moves."""
        for trembling in range(10 * HANGS_S):
            self._page.mouse.move(x, y + trembling % 2)
            self._page.wait_for_timeout(100)
            if found := self.value(script):
                return found
        raise AssertionError(script)

    def click(self, x: float, y: float) -> None:
        """Click with the mouse's left button."""
        self._page.mouse.click(x, y)

    def close(self) -> None:
        """Show it no more."""
        self._page.close()

    def pdf(self, path: Path) -> None:
        """Print the page."""
        self._page.pdf(path=path, prefer_css_page_size=True)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, gone at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_FLAGS, timeout=HANGS_S * 1000)
        yield browser
        browser.close()
