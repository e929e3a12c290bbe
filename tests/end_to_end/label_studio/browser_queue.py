"""An annotator who asks for the next task. Run by the interpreter that has Playwright.

    python browser_queue.py JOB ANSWER

JOB is a JSON file with server, email, password, project and the file of a screenshot; ANSWER
becomes a JSON file with the number of the task that came.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from browser import FLAGS, PATIENCE, SETTLING
from playwright.sync_api import sync_playwright


def main(job: dict[str, Any]) -> dict[str, Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=FLAGS
        )
        page = browser.new_context(viewport={"width": 1360, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE)
        page.route(
            "**/*",
            lambda route: (
                route.continue_()
                if route.request.url.startswith((job["server"], "data:", "blob:"))
                else route.abort()
            ),
        )
        page.goto(f"{job['server']}/user/login/")
        page.fill("input[name=email]", job["email"])
        page.fill("input[name=password]", job["password"])
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "login" not in url)
        page.goto(f"{job['server']}/projects/{job['project']}/data")
        button = page.get_by_role("button", name="Label All Tasks")
        with page.expect_response(lambda response: "id=next_task" in response.url) as answer:
            button.click()
        page.wait_for_selector("canvas")
        page.locator(".lsf-tree__node").first.wait_for()
        page.wait_for_timeout(SETTLING)
        page.screenshot(path=job["shot"])
        task = answer.value.json()["id"]
        browser.close()
    return {"task": task}


if __name__ == "__main__":
    question = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps(main(question)), encoding="utf-8")
