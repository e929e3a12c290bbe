"""`ovseg-label-studio versions`: what a project has learnt, and going back."""

from __future__ import annotations

from collections.abc import Iterator

from labelstudio_backend.lessons import learning_folder
from labelstudio_backend.settings import Settings
from ovseg_annotate.errors import OptionError, VersionError
from ovseg_annotate.learning_loop.versions import BASE, Versions

_BASE = "base"  # how people write BASE


def versions_of(settings: Settings, project: str) -> Versions:
    """The versions of a project, by the name that Label Studio gives it to backends."""
    if settings.data is None:
        raise OptionError("versions lie in the folder --data; name it")
    return Versions(learning_folder(settings.data, settings.label_studio_url, project))


def switched(versions: Versions, project: int, action: str, name: str) -> str:
    """Put another version into service; says what is in service now."""
    if action == "back" and not name:
        now = versions.roll_back()
    elif action == "use" and name:
        versions.use(BASE if name == _BASE else name)
        now = versions.in_service.name
    else:
        raise OptionError(
            f"versions {action} {name}".rstrip() + ": write 'use NAME' or 'back', such as: "
            f"ovseg-label-studio versions --project {project} use v2"
        )
    return (
        f"{now or 'the model as it came'} is in service; 'serve --learn' suggests with it in open "
        "tasks within a minute, otherwise push does"
    )


def version_lines(versions: Versions, project: int) -> Iterator[str]:
    """One version a line, the first one first; a star marks what is in service."""
    now = versions.in_service.name
    yield f"{'*' if now == BASE else ' '} {_BASE}  the model as it came"
    for name in versions.names:
        mark = "*" if name == now else " "
        try:
            card = versions.get(name).card
        except VersionError as error:
            yield f"{mark} {name}  {error}"
            continue
        pictures = len(card.corrections)
        yield (
            f"{mark} {name}  {card.created}  {card.candidate} from {pictures} "
            f"{'picture' if pictures == 1 else 'pictures'}: {100 * card.after:.1f} instead of "
            f"{100 * card.before:.1f} on {card.held_back}"
        )
    if not versions.names:
        yield f"nothing was learnt yet; run: ovseg-label-studio connect --project {project} --learn"
