"""`ovseg learn --fine-tune`: the job, from its beginning or where it was stopped to its end."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ovseg_annotate.errors import OptionError
from ovseg_annotate.fine_tuning.options import FineTuneOptions

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession
    from ovseg_annotate.cli.talk import Talk
    from ovseg_annotate.fine_tuning.outcome import FineTuned
    from ovseg_annotate.learning_loop.project import Asked, Project
    from ovseg_annotate.watch import Watch


def fine_tuned(
    project: Project, session: AnySession, asked: Asked, watch: Watch, talk: Talk
) -> FineTuned:
    """Begin or go on, tell how far it is, and conclude."""
    from ovseg_annotate.fine_tuning.beginning import begin  # noqa: PLC0415  imports torch
    from ovseg_annotate.fine_tuning.concluding import conclude  # noqa: PLC0415
    from ovseg_annotate.fine_tuning.outcome import FineTuned as Outcome  # noqa: PLC0415
    from ovseg_annotate.fine_tuning.working import work  # noqa: PLC0415
    from ovseg_annotate.session import Session  # noqa: PLC0415

    if not isinstance(session, Session):
        raise OptionError(
            "--fine-tune trains on this machine and the session is on a server; give the command "
            "without --server, or on that machine"
        )
    options = FineTuneOptions()
    begun = begin(project, session, asked, options, watch)
    if isinstance(begun, Outcome):
        return begun
    talk.say(f"fine-tuning in {begun}; stopped or killed, the same command goes on")
    work(begun, session, options, watch, lambda progress: talk.say(str(progress)))
    return conclude(project, session, begun)


def plain_outcome(outcome: FineTuned) -> dict[str, object]:
    """For --json, in the words of a refresh."""
    return {
        "verdict": outcome.sentence,
        "version": outcome.name or None,
        "base": outcome.before,
        "present": outcome.present,
        "fine_tuned": outcome.after,
        "left_out": [asdict(each) for each in outcome.left_out],
    }
