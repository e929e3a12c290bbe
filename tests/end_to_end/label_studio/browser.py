"""An annotator in Chromium. Run by the interpreter of the second environment: it has Playwright.

    python browser.py JOB ANSWER

JOB is a JSON file of the fields of `Job`; ANSWER becomes a JSON file of what was seen.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Page, Response, Route, sync_playwright
from playwright.sync_api import TimeoutError as Late

PATIENCE = 180_000  # ms, for a busy machine
RELOADS = 4
SETTLING = 1500  # ms for the canvas to be painted: nothing in the page says when it is
REGIONS = ".lsf-tree__node"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


@dataclass(frozen=True)
class Job:
    server: str
    email: str
    password: str
    project: int
    tasks: list[int]  # two of them, with predictions
    phrase: str  # to type
    label: str  # of the object that is pointed at
    point: list[float]  # in it, as shares of width and height
    box: list[float]  # around another object: left, top, right, bottom, likewise
    shots: str  # folder for screenshots


def main(job: Job) -> dict[str, Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=FLAGS
        )
        context = browser.new_context(viewport={"width": 1360, "height": 900})
        context.set_default_timeout(PATIENCE)
        context.route("**/*", lambda route: _stay_at_home(route, job.server))
        page = context.new_page()
        try:
            _log_in(page, job)
            return {**_typed(page, job), **_pointed(page, job)}
        except Error:
            page.screenshot(path=f"{job.shots}/browser-failure.png")
            raise
        finally:
            browser.close()


def _typed(page: Page, job: Job) -> dict[str, Any]:
    """Look at suggestions, type words, accept what comes and submit."""
    _open_with_regions(page, job, job.tasks[0])
    listed = page.locator(REGIONS).count()  # those that are scrolled into view
    _shoot(page, job, "suggestions")
    _auto_annotation(page)
    page.get_by_placeholder("What to look for").fill(job.phrase)
    response = _interactive(page, lambda: page.get_by_role("button", name="Add").click())
    page.get_by_text("suggestions").last.wait_for()
    _shoot(page, job, "typed")
    page.get_by_test_id("bottombar-accept-suggestions-button").click()
    page.get_by_test_id("bottombar-accept-suggestions-button").wait_for(state="detached")
    with page.expect_response(_is_annotation) as submitted:
        page.get_by_role("button", name="Submit").click()
    return {
        "listed": listed,
        "typed_status": response.status,
        "typed_regions": len(response.json()["data"]["result"]),
        "submitted_status": submitted.value.status,
        "submitted": submitted.value.json()["result"],
    }


def _pointed(page: Page, job: Job) -> dict[str, Any]:
    """Click on an object, then drag a box around another one."""
    _open(page, job, job.tasks[1])
    # On an empty page: a click on a region that is there chooses that region.
    page.get_by_role("button", name="Create an annotation").click()
    page.locator(REGIONS).first.wait_for(state="detached")
    _auto_annotation(page)
    clicked = _with_tool(page, job, "key-point-tool", [*job.point, *job.point])
    _shoot(page, job, "clicked")
    page.get_by_test_id("bottombar-accept-suggestions-button").click()
    page.get_by_test_id("bottombar-accept-suggestions-button").wait_for(state="detached")
    dragged = _with_tool(page, job, "rectangle-tool", job.box)
    _shoot(page, job, "dragged")
    return {"clicked": clicked, "dragged": dragged}


def _with_tool(page: Page, job: Job, tool: str, path: list[float]) -> list[dict[str, Any]]:
    """Choose a smart tool and its label, and draw from one point to another: the suggestions."""
    page.locator(".lsf-tool_smart").first.hover()
    page.locator(f".lsf-tool_smart[aria-label={tool}]").click()
    control = {"key-point-tool": "click", "rectangle-tool": "box"}[tool]
    row = page.locator(".lsf-labels").nth(["polygon", "click", "box"].index(control))
    row.get_by_text(job.label).click()
    canvas = page.locator("canvas").first.bounding_box()
    assert canvas is not None
    left, top = canvas["x"], canvas["y"]
    x, y, to_x, to_y = (
        share * canvas[side] for share, side in zip(path, ("width", "height") * 2, strict=True)
    )

    def draw() -> None:
        page.mouse.move(left + x, top + y)
        page.mouse.down()
        if (x, y) != (to_x, to_y):
            page.mouse.move(left + (x + to_x) / 2, top + (y + to_y) / 2, steps=5)
            page.mouse.move(left + to_x, top + to_y, steps=5)
        page.mouse.up()

    response = _interactive(page, draw)
    found: list[dict[str, Any]] = response.json()["data"]["result"]
    return found


def _interactive(page: Page, act: Callable[[], None]) -> Response:
    with page.expect_response(lambda response: "interactive-annotating" in response.url) as answer:
        act()
    return answer.value


def _open(page: Page, job: Job, task: int) -> None:
    page.goto(f"{job.server}/projects/{job.project}/data?task={task}")
    page.wait_for_selector("canvas")
    page.get_by_text("Auto-Annotation", exact=True).wait_for()
    page.wait_for_timeout(SETTLING)


def _open_with_regions(page: Page, job: Job, task: int) -> None:
    """On a busy machine Label Studio's page may open a task before it has its predictions."""
    for _ in range(RELOADS):
        _open(page, job, task)
        try:
            page.locator(REGIONS).first.wait_for(timeout=PATIENCE / RELOADS)
        except Late:
            continue
        return
    raise Late("no region was listed, however often the page was loaded")


def _auto_annotation(page: Page) -> None:
    if not page.get_by_test_id("bottombar-auto-annotation-toggle").is_checked():
        page.get_by_text("Auto-Annotation", exact=True).click()
    page.locator(".lsf-tool_smart").first.wait_for()


def _log_in(page: Page, job: Job) -> None:
    page.goto(f"{job.server}/user/login/")
    page.fill("input[name=email]", job.email)
    page.fill("input[name=password]", job.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "login" not in url)


def _is_annotation(response: Response) -> bool:
    return "/annotations" in response.url and response.request.method == "POST"


def _stay_at_home(route: Route, server: str) -> None:
    if route.request.url.startswith((server, "data:", "blob:")):
        route.continue_()
    else:
        route.abort()


def _shoot(page: Page, job: Job, name: str) -> None:
    page.wait_for_timeout(SETTLING)
    page.screenshot(path=f"{job.shots}/label-studio-{name}.png")


if __name__ == "__main__":
    question = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps(main(Job(**question))), encoding="utf-8")
