from __future__ import annotations

from pathlib import Path

from lessons.test_taught import lesson
from lessons.test_version import version

from napari_plugin.projects import version_offers
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.lessons.phrase_weights import PhraseWeight

PHRASES = (PhraseWeight("leaf", "leaf", 1.7), PhraseWeight("leaf", "sky", 0.3))


def test_a_version_tells_which_phrases_count_less(tmp_path: Path) -> None:
    there = Versions(tmp_path)
    there.add(version(lesson(digest="1" * 64)))
    there.add(version(lesson(digest="2" * 64, phrases=PHRASES)))
    latest, first = version_offers(there)
    told = "\nphrases that count less: 'sky' for leaf (0.30)"
    assert latest.tooltip.endswith(told)
    assert first.tooltip in latest.tooltip
    assert told not in first.tooltip
