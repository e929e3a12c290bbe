"""The real Label Studio on a free port, with a fresh copy of a data directory that is kept."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import httpx2
from end_to_end.label_studio.processes import Program, environment_without
from loopback import free_port

from labelstudio_backend.rest import RestClient
from labelstudio_backend.tokens import Tokens

EMAIL = "e2e@example.com"
PASSWORD = "only-on-loopback-1"  # noqa: S105  of a server that lives for one test
_TOKEN = "personal-access-token"  # noqa: S105  a file name

_SETTINGS = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    # Without both, no backend on loopback or in a private network can be connected.
    "ML_BLOCK_LOCAL_IP": "false",
    "SSRF_PROTECTION_ENABLED": "false",
    # Label Studio itself refuses predictions that do not fit the config.
    "fflag_feat_utc_210_prediction_validation_15082025": "true",
    # A busy machine is no defect of the backend: its latencies are judged by the test.
    "ML_TIMEOUT_HEALTH": "20",
    "ML_TIMEOUT_SETUP": "30",
    "ML_CONNECTION_TIMEOUT": "20",
    "WEBHOOK_TIMEOUT": "20",
}


class RealServer:
    """One Label Studio; `rest` and `http` are its API as one user."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._python = python
        self._data = folder / "data"
        self._log = folder / "label-studio.log"
        self._program = self._program_on(self._data)

    def start(self) -> None:
        kept = self._python.parents[1] / "ovseg-migrated"
        if not kept.exists():
            self._migrate(kept)
        shutil.copytree(kept, self._data)
        self.key = (self._data / _TOKEN).read_text()
        self._program.start()
        self.tokens = Tokens(self.url, self.key)
        self.rest = RestClient(self.url, self.tokens)

    def stop(self) -> None:
        self._program.stop()
        self.rest.close()
        self.tokens.close()

    def upload(self, project: int, name: str, data: bytes) -> None:
        """Import a picture, as a person does through the page."""
        answer = httpx2.post(
            f"{self.url}/api/projects/{project}/import",
            files={"file": (name, data)},
            headers={"Authorization": self.tokens.header()},
            timeout=120,
        )
        assert answer.is_success, answer.text

    def delete(self, path: str) -> None:
        headers = {"Authorization": self.tokens.header()}
        assert httpx2.delete(self.url + path, headers=headers, timeout=120).is_success

    def _program_on(self, data: Path) -> Program:
        command = [
            *(str(self._python.with_name("label-studio")), "start", "--no-browser"),
            *("--internal-host", "127.0.0.1", "--port", str(self.port)),
            *("--username", EMAIL, "--password", PASSWORD, "--log-level", "WARNING"),
        ]
        environment: Mapping[str, str] = {
            **environment_without("LABEL_STUDIO_", "DJANGO_"),
            **_SETTINGS,
            "LABEL_STUDIO_BASE_DATA_DIR": str(data),
            "LABEL_STUDIO_HOST": self.url,
        }
        return Program(command, environment, self._log, f"{self.url}/health")

    def _migrate(self, kept: Path) -> None:
        """Make the data directory with its user and token, which takes a minute, only once."""
        making = kept.with_name(f"{kept.name}-{uuid.uuid4().hex}")
        making.mkdir()
        program = self._program_on(making)
        program.start(patience=600)
        (making / _TOKEN).write_text(self._new_token())
        program.stop()
        making.rename(kept)

    def _new_token(self) -> str:
        """Label Studio gives out the first token to a browser only."""
        with httpx2.Client(base_url=self.url, timeout=120) as browser:
            page = f"{self.url}/user/login/"
            browser.get(page)
            form = {"email": EMAIL, "password": PASSWORD}
            form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
            entered = browser.post(page, data=form, headers={"Referer": page})
            assert entered.status_code == 302, entered.text
            guard = {"Referer": page, "X-CSRFToken": browser.cookies["csrftoken"]}
            return str(browser.post("/api/token/", headers=guard).json()["token"])
