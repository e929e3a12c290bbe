"""What a refresh came to, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ovseg_annotate.learning_loop.judging import Judgement, Trial
from ovseg_annotate.learning_loop.refreshing import LeftOut
from ovseg_annotate.lessons.phrase_weights import counting_less
from ovseg_annotate.lessons.version import Version


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What was tried and how it ended; qualities are those on corrections that were held back."""

    judgement: Judgement | None  # None: nothing was tried
    left_out: tuple[LeftOut, ...]
    version: Version | None = None  # better than what is in service
    name: str = ""  # of the version, once there is a file
    known: bool = False  # a version was learnt from just these corrections before
    in_use: bool = False  # that known version is in service

    def in_service(self, name: str) -> Verdict:
        """The same, once its version is used under that name."""
        return replace(self, name=name)

    @property
    def sentence(self) -> str:
        """For the person: what was learnt, both numbers, what is in service now."""
        if self.known:
            unused = "" if self.in_use else ", which is not in service since somebody went back"
            return f"nothing was corrected since {self.name} was learnt{unused}"
        if self.judgement is None:
            return "there are no corrections to learn from yet" + self._without
        judged = self.judgement
        by = f"held back: {judged.held_back}"
        if judged.base is None:
            return f"too little was corrected to hold anything back and judge by it{self._without}"
        before, rival = _rival(judged)
        best = judged.best
        if self.version is not None and best is not None:
            name = f" as {self.name}" if self.name else ""
            return (
                f"better: {_points(best.quality)} instead of {before} ({by}), learnt by "
                f"{best.way} from {_pictures(judged.pictures)}{name}{_left(best)}"
                f"{_phrases(self.version)}{self._without}"
            )
        if best is None:
            return f"not put into service: no way of learning could be tried{self._without}"
        return (
            f"not put into service: {_points(best.quality)} on what was {by} is not better than "
            f"{before} of {rival}{self._without}"
        )

    @property
    def _without(self) -> str:
        count = len(self.left_out)
        return f"; {_pictures(count)} left out" if count else ""


def _rival(judged: Judgement) -> tuple[str, str]:
    base = judged.base or 0.0
    if judged.present is not None and judged.present >= base:
        return _points(judged.present), "the version in service"
    return _points(base), "the model as it came"


def _left(trial: Trial) -> str:
    names = ", ".join(name or "none of them" for name in trial.kept)
    return f"; left to the words, since learning made them worse: {names}" if names else ""


def _phrases(version: Version) -> str:
    told = counting_less(version.card.phrases)
    return f"; phrases that count less: {told}" if told else ""


def _points(quality: float) -> str:
    return f"{100 * quality:.1f}"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
