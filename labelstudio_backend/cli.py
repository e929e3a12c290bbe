"""All verbs of `ovseg-label-studio`. None of these modules imports torch before its verb runs."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import typer

from labelstudio_backend.config_printer import LayoutOptions, labeling_config
from labelstudio_backend.connect import ConnectOptions
from labelstudio_backend.connect import connect as connected
from labelstudio_backend.learning_options import LearningOptions
from labelstudio_backend.opening import opened_studio
from labelstudio_backend.push import PushOptions
from labelstudio_backend.settings import Settings, read_settings
from labelstudio_backend.status import status_lines
from labelstudio_backend.suggest_options import SuggestOptions, with_extra_params
from labelstudio_backend.switching import switched, version_lines, versions_of
from ovseg_annotate._version import __version__
from ovseg_annotate.cli.option_flags import with_option_flags
from ovseg_annotate.cli.sessions import SessionOptions, vocabulary_from
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import OptionError


@dataclass(frozen=True, slots=True)
class StudioOptions:
    """Where Label Studio is; its token stands in LABEL_STUDIO_API_KEY."""

    label_studio_url: str | None = None  # its address (LABEL_STUDIO_URL, http://127.0.0.1:8080)


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """Where pictures may come from, beside Label Studio."""

    label_studio_public_url: str | None = None  # Label Studio's address in tasks, if different
    image_hosts: tuple[str, ...] | None = None  # further hosts: images.example.com,10.0.0.5:9000


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where to listen; user and password stand in BASIC_AUTH_USER and BASIC_AUTH_PASS."""

    host: str | None = None  # address (127.0.0.1); others than loopback need a password
    port: int | None = None  # (9090); 0: any free one
    workers: int | None = None  # requests in work at a time (2)
    queue: int | None = None  # requests that may wait (32); more are asked to come again


@dataclass(frozen=True, slots=True)
class KeptOptions:
    """Where it is kept what outlives a stop: typed words, corrections, versions."""

    data: Path | None = None  # folder (in the user's state folder); the same for every verb


@dataclass(frozen=True, slots=True)
class SuggestionOptions:
    """How suggestions are made: the same for serve and push, or their versions differ."""

    suggest: tuple[str, ...] = ()  # NAME=VALUE pairs: contrast=none,minimum_area=50,holes=brush


def serve(  # noqa: PLR0913, PLR0917  one group of flags each
    server: ServerOptions,
    studio: StudioOptions,
    images: ImageOptions,
    kept: KeptOptions,
    suggestions: SuggestionOptions,
    learning: LearningOptions,
    session: SessionOptions,
) -> None:
    """Answer Label Studio: suggestions for tasks, for typed words and for what is pointed at."""
    from labelstudio_backend.serving import serve as run  # noqa: PLC0415  imports torch

    run(
        _settings(server, studio, images, kept),
        session,
        _suggest_options(suggestions, session),
        learning,
    )


def connect(options: ConnectOptions, studio: StudioOptions) -> None:
    """Register the running backend with a project, or bring its registration up to date."""
    settings, talk = _settings(studio), Talk()
    with opened_studio(settings) as opened:
        connection = connected(opened, options, settings)
    what = "brought up to date" if connection.was_there else "registered"
    talk.say(f"{options.url} is {what} with project {options.project}")
    if options.learn:
        talk.say("corrections are learnt from while the backend runs as: serve --learn")
    if not connection.webhook_is_secret:
        talk.say("its webhooks carry no secret; set WEBHOOK_TOKEN for serve and connect to add one")
    typer.echo(connection.backend.title)


def push(
    options: PushOptions,
    studio: StudioOptions,
    images: ImageOptions,
    kept: KeptOptions,
    suggestions: SuggestionOptions,
    session: SessionOptions,
) -> None:
    """Store suggestions for every task of a project. Stopped, the same command goes on."""
    from labelstudio_backend.pushing import PushRequest, push_all  # noqa: PLC0415  imports torch

    suggest = _suggest_options(suggestions, session)
    request = PushRequest(options, _settings(studio, images, kept), session, suggest)
    talk = Talk()
    with (
        StopSignals() as stops,
        opened_studio(request.settings, lambda: stops.asked) as opened,
    ):
        code, version = push_all(request, opened, stops, talk)
    typer.echo(version)
    raise typer.Exit(code)


def config(
    prompts: Annotated[
        str,
        typer.Option(help='What to label: "car: sedan; road; -sky", or a file: @words.yaml.'),
    ],
    layout: LayoutOptions,
) -> None:
    """Print a labeling config that fits the words, for Settings > Labeling Interface > Code."""
    typer.echo(labeling_config(vocabulary_from(prompts), layout), nl=False)


def versions(
    project: Annotated[int, typer.Option(help="Its number, as in the address of its page.")],
    studio: StudioOptions,
    kept: KeptOptions,
    action: Annotated[str, typer.Argument(help="use or back; without one, list them.")] = "",
    name: Annotated[str, typer.Argument(help="What to use; base is the model as it came.")] = "",
) -> None:
    """What a project taught the model; 'use NAME' or 'back' put another version into service."""
    settings, talk = _settings(studio, kept), Talk()
    with opened_studio(settings) as opened:
        found = opened.project(project)
    there = versions_of(settings, found.uid)
    if action:
        talk.say(switched(there, project, action, name))
    for line in version_lines(there, project):
        typer.echo(line)


def status(
    project: Annotated[int, typer.Option(help="Its number, as in the address of its page.")],
    studio: StudioOptions,
) -> None:
    """Tell how a project stands: its backends, its webhooks, tasks without suggestions."""
    with opened_studio(_settings(studio)) as opened:
        for line in status_lines(opened, project):
            typer.echo(line)


app = typer.Typer(
    name="ovseg-label-studio",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # what is not an OvsegError is a defect: show all of it
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verb in (serve, connect, push, config, status, versions):
    app.command()(with_option_flags(_verb))


@app.callback()
def ovseg_label_studio(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)
    ] = False,
) -> None:
    """Suggestions for Label Studio: type what you want labelled, get polygons in every task.

    Secrets stand in the environment: LABEL_STUDIO_API_KEY (a personal access token),
    BASIC_AUTH_USER, BASIC_AUTH_PASS, WEBHOOK_TOKEN. Exit codes are those of ovseg.
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit


def _settings(*flags: StudioOptions | ImageOptions | ServerOptions | KeptOptions) -> Settings:
    """The environment, and above it the flags that were given."""
    given: dict[str, object] = {}
    for each in flags:
        for field in fields(each):
            value = getattr(each, field.name)
            if value is not None:
                given[field.name] = value
    return read_settings(os.environ, given)


def _suggest_options(given: SuggestionOptions, session: SessionOptions) -> SuggestOptions:
    chosen = with_extra_params(SuggestOptions(), _pairs(given.suggest))
    if chosen.warnings:
        raise OptionError(f"--suggest: {chosen.warnings[0]}")
    # What else changes suggestions has to change their version.
    return replace(chosen.options, session=",".join((*session.engine_options, session.precision)))


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise OptionError(
                f"--suggest: got {pair!r}; write NAME=VALUE pairs separated by commas, "
                "such as contrast=none,minimum_area=50"
            )
        pairs[name.strip()] = value.strip()
    return pairs
