"""Answers to a person at work on one task: words that were typed, objects that were pointed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelstudio_backend.annotating import Look, Subject, shown
from labelstudio_backend.context import Context
from labelstudio_backend.errors import TaskError
from labelstudio_backend.pointed import answer_marks, has_marks
from labelstudio_backend.predictions import Drawn
from labelstudio_backend.projects import TypedWords
from labelstudio_backend.typed_words import meaning_of

_CONTRAST = "typed against"  # the negative concept of what was typed behind a minus sign


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What the editor is to show, and the words that are to be remembered."""

    drawn: Drawn
    typed: tuple[TypedWords, ...] = ()


def answer_person(look: Look, subjects: Sequence[Subject], context: Context) -> Reply:
    """Answer everything in a context; raises an OvsegError that says why there is no answer."""
    replies = []
    for subject in subjects:
        image = subject.picture.canvas.image
        texts = [typed.text for typed in context.typed if typed.image == image]
        if texts:
            replies.append(_answer_text(look, subject, "\n".join(texts)))
        if has_marks(context, subject.picture):
            replies.append(Reply(answer_marks(look, subject, context)))
    if not replies:
        raise TaskError("what was done belongs to no picture of this task; reload the page")
    return Reply(
        Drawn(
            tuple(item for reply in replies for item in reply.drawn.items),
            tuple(region for reply in replies for region in reply.drawn.regions),
        ),
        tuple(typed for reply in replies for typed in reply.typed),
    )


def _answer_text(look: Look, subject: Subject, text: str) -> Reply:
    """Look for typed words and show them with the project's own labels."""
    meaning = meaning_of(text, subject.config_words, look.session)
    asked = subject.words.reworded(meaning.wordings)
    asked = asked.shown({wording.concept for wording in meaning.wordings})
    if asked.vocabulary is None:
        raise TaskError("the labeling config has no label that suggestions could carry")
    vocabulary = asked.vocabulary.with_competitors(meaning.competing, _CONTRAST)
    annotation = look.annotation(subject.picture.image, vocabulary)
    image, own = subject.picture.canvas.image, subject.config_words
    typed = (TypedWords(image, each, own.has(each)) for each in meaning.wordings)
    return Reply(shown(look, subject.picture, asked, annotation), tuple(typed))
