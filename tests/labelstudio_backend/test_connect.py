"""Connecting is done once and can be done again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from fake_label_studio import PROJECT, FakeLabelStudio
from loopback import listening

from labelstudio_backend.connect import Connection, ConnectOptions, connect
from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.rest import LabelStudioError, RestClient
from labelstudio_backend.settings import Settings
from labelstudio_backend.status import status_lines
from labelstudio_backend.tokens import Tokens
from ovseg_annotate.errors import OptionError

GUARDED = Settings(basic_auth_user="u", basic_auth_pass="p", webhook_token="t")  # noqa: S106
OPTIONS = ConnectOptions(PROJECT, "http://backend:9090/")


@contextmanager
def studio_of(fake: FakeLabelStudio) -> Iterator[LabelStudio]:
    with (
        listening(fake.app) as url,
        closing(Tokens(url, "plain")) as tokens,
        closing(RestClient(url, tokens)) as client,
    ):
        yield LabelStudio(client)


def connected(
    fake: FakeLabelStudio, settings: Settings = GUARDED, *, learn: bool = False
) -> Connection:
    with studio_of(fake) as studio:
        return connect(studio, replace(OPTIONS, learn=learn), settings)


def test_the_title_is_the_version_that_predictions_have() -> None:
    fake = FakeLabelStudio(1)
    connection = connected(fake)
    (backend,) = fake.backends
    assert not connection.was_there
    assert backend["title"] == connection.backend.title == "ovseg-1"
    assert fake.shown_version == "ovseg-1"
    assert backend["is_interactive"] is True
    assert (backend["url"], backend["basic_auth_pass"]) == ("http://backend:9090", "p")


def test_the_webhook_gets_its_secret_and_keeps_its_other_headers() -> None:
    fake = FakeLabelStudio(1)
    assert connected(fake).webhook_is_secret
    (hook,) = fake.webhooks
    assert hook["headers"] == {"X-Mine": "stays", "X-Webhook-Token": "t"}


def test_a_webhook_that_somebody_removed_comes_back() -> None:
    fake = FakeLabelStudio(1)
    connected(fake)
    fake.webhooks.clear()
    connected(fake)
    (hook,) = fake.webhooks
    assert hook["url"] == "http://backend:9090/webhook"
    assert hook["headers"] == {"X-Webhook-Token": "t"}


def test_connecting_again_changes_the_same_registration() -> None:
    fake = FakeLabelStudio(1)
    connected(fake, Settings())
    fake.backends[0]["extra_params"] = {"contrast": "none"}
    assert connected(fake).was_there
    (backend,) = fake.backends
    assert backend["auth_method"] == "BASIC_AUTH"
    assert backend["extra_params"] == {"contrast": "none"}
    assert len(fake.webhooks) == 1


def test_a_project_that_is_to_be_learnt_from_says_so_and_gives_doubtful_tasks_first() -> None:
    fake = FakeLabelStudio(1)
    connected(fake)
    assert fake.sampling == "Sequential sampling"
    fake.backends[0]["extra_params"] = {"contrast": "none"}
    connected(fake, learn=True)
    assert fake.sampling == "Uncertainty sampling"
    connected(fake)  # later, for another reason
    assert fake.backends[0]["extra_params"] == {"contrast": "none", "learn": True}


def test_a_private_address_that_is_refused_is_explained_with_both_settings() -> None:
    fake = FakeLabelStudio(1)
    fake.backend_problem = "URL resolves to a reserved network address (block: 127.0.0.0/8)"
    with pytest.raises(LabelStudioError, match=r"ML_BLOCK_LOCAL_IP.*SSRF_PROTECTION_ENABLED"):
        connected(fake)


def test_a_backend_that_does_not_run_is_an_error_that_says_how_to_start_it() -> None:
    fake = FakeLabelStudio(1)
    fake.backend_problem = "Can't connect to ML backend, health check failed."
    with pytest.raises(LabelStudioError, match="ovseg-label-studio serve"):
        connected(fake)
    assert fake.webhooks == []


def test_an_unknown_project_is_told_before_anything_is_made() -> None:
    fake = FakeLabelStudio(1)
    with studio_of(fake) as studio, pytest.raises(LabelStudioError, match="No Project matches"):
        connect(studio, ConnectOptions(99), GUARDED)
    assert fake.backends == []


@pytest.mark.parametrize(("project", "url"), [(0, "http://a:1"), (3, "a:1"), (3, "ftp://a")])
def test_options_that_make_no_sense_are_refused(project: int, url: str) -> None:
    with pytest.raises(OptionError):
        ConnectOptions(project, url)


def test_status_shows_no_secret() -> None:
    fake = FakeLabelStudio(5, stored={1: ["ovseg-1"]})
    with studio_of(fake) as studio:
        before = list(status_lines(studio, PROJECT))
        connect(studio, OPTIONS, GUARDED)
        lines = list(status_lines(studio, PROJECT))
    assert "no backend; run: ovseg-label-studio connect --project 3" in before
    assert "suggestions shown to annotators: ovseg-1, missing on 4 tasks" in lines
    assert "webhook http://backend:9090/webhook, with a secret" in lines
