"""Corrections brought to cells: each once, and few of each where there are many."""

from __future__ import annotations

from pathlib import Path

import pytest
from learning_samples import asked, corrected
from vector_engine import vector_session

from ovseg_annotate.image import Image
from ovseg_annotate.learning_loop import refreshing
from ovseg_annotate.learning_loop.journal import Journal
from ovseg_annotate.learning_loop.material import Asked, Material
from ovseg_annotate.learning_loop.pile import Pile
from ovseg_annotate.learning_loop.refreshing import Gathered, Kept, gathered
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

MANY = 70


class Opened:
    """The pictures of a project, and which of them were opened."""

    def __init__(self, words: Vocabulary | None = None) -> None:
        plain = asked() if words is None else asked(words)
        self.names: list[str] = []
        self.asked = Asked(plain.vocabulary, plain.options, self._opened)
        self._plain = plain

    def _opened(self, name: str) -> Image:
        self.names.append(name)
        return self._plain.picture(name)


def gather(session: Session, journal: Journal, kept: Kept, opened: Opened) -> Gathered:
    opened.names.clear()
    return gathered(session, opened.asked, journal, kept, Watch())


def take(session: Session, journal: Journal, *seeds: int) -> None:
    for seed in seeds:
        journal.take(corrected(session, seed, accepted=True))


def test_only_what_is_new_is_looked_at_however_much_there_is(tmp_path: Path) -> None:
    session, kept, opened = vector_session(), Kept(), Opened()
    with Journal(tmp_path) as journal:
        take(session, journal, *range(MANY))
        first = gather(session, journal, kept, opened)
        assert len(opened.names) == len(first.materials) == MANY
        take(session, journal, MANY)
        second = gather(session, journal, kept, opened)
        assert opened.names == [f"{MANY}.png"]
        assert len(second.materials) == MANY + 1
        journal.withdraw(f"{MANY}.png")
        again = gather(session, journal, kept, opened)
        assert not opened.names
    assert [each.digest for each in again.materials] == [each.digest for each in first.materials]


def test_other_words_are_looked_up_anew(tmp_path: Path) -> None:
    session, kept = vector_session(), Kept()
    with Journal(tmp_path) as journal:
        take(session, journal, 0, 1)
        gather(session, journal, kept, Opened())
        other = Opened(Vocabulary.parse("leaf: green; -black"))
        gather(session, journal, kept, other)
        assert len(other.names) == 2


def test_fewer_cells_of_more_corrections_and_more_of_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "_CELLS", 64)
    session, kept, opened = vector_session(), Kept(), Opened()
    with Journal(tmp_path) as journal:
        take(session, journal, *range(4))
        few = gather(session, journal, kept, opened)
        assert {len(each) for each in few.materials} == {16}
        take(session, journal, *range(4, 32))
        many = gather(session, journal, kept, opened)
        assert {len(each) for each in many.materials} == {4}
        for seed in range(4, 32):
            journal.withdraw(f"{seed}.png")
        again = gather(session, journal, kept, opened)
        assert {len(each) for each in again.materials} == {16}
        assert len(opened.names) == 4  # the small samples were not enough


def test_one_cell_of_each_picture_is_enough_to_see_every_kind(tmp_path: Path) -> None:
    session = vector_session()
    with Journal(tmp_path) as journal:
        take(session, journal, *range(40))
        found = gather(session, journal, Kept(), Opened()).materials
    kinds = {kind for each in found for kind in each.kinds.tolist()}
    assert len(kinds) > 2
    assert {each.first(1).kinds[0] for each in found} == kinds


def test_the_cells_of_a_picture_stand_for_all_that_is_known_of_it(tmp_path: Path) -> None:
    session = vector_session()
    with Journal(tmp_path) as journal:
        for seed in range(3):
            journal.take(corrected(session, seed))
        found = gather(session, journal, Kept(), Opened()).materials
    whole, sample = Pile.of(found), Pile.of([each.first(len(each) // 2) for each in found])
    assert whole.known == pytest.approx(sample.known, rel=0.1)
    alone = [Pile.of([each]) for each in found]
    assert whole.weights == pytest.approx([float(each.weights[0]) for each in alone])


def test_what_is_kept_has_a_limit_in_bytes_and_stays(tmp_path: Path) -> None:
    session = vector_session()
    with Journal(tmp_path) as journal:
        take(session, journal, *range(4))
        whole = gather(session, journal, Kept(), Opened()).materials
        kept = Kept(most=sum(map(_kept_bytes, whole[:2])) + 1)
        gather(session, journal, kept, Opened())
        opened = Opened()
        gather(session, journal, kept, opened)
        assert opened.names == ["2.png", "3.png"]
        journal.withdraw("0.png")
        gather(session, journal, kept, opened)  # room for one of the others
        gather(session, journal, kept, opened)
        assert opened.names == ["3.png"]


def _kept_bytes(material: Material) -> int:
    return material.nbytes + refreshing._OBJECTS
