"""The words of the dock as rows that a person edits; knows no Qt."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from psygnal import Signal

from ovseg_annotate.errors import OptionError, VocabularyError
from ovseg_annotate.vocabulary import Colour, Concept, Vocabulary
from ovseg_annotate.whole_files import write_whole


@dataclass(frozen=True, slots=True)
class ConceptRow:
    """A concept and how it is treated on the screen; row k (from 0) is label k + 1."""

    concept: Concept
    number: int  # stays with the row wherever it moves
    visible: bool = True
    locked: bool = False  # a new suggestion neither adds to its pixels nor takes from them

    @property
    def heading(self) -> str:
        """The name as the grammar writes it, without phrases and colour."""
        return str(replace(self.concept, phrases=(), colour=None))

    @property
    def phrases_text(self) -> str:
        """The phrases as the grammar writes them; empty where the name is its own."""
        if self.concept.phrases == (self.concept.name,):
            return ""
        return ", ".join(str(Concept(phrase)) for phrase in self.concept.phrases)


class ConceptTable:
    """Rows in order: none, or a valid list of words; a change that would spoil it is refused."""

    words_changed: ClassVar[Signal] = Signal()  # suggestions are out of date
    looks_changed: ClassVar[Signal] = Signal()  # colours, visibility, locks
    # Labels moved: entry n is the new label of what was label n, 0 for a row that is gone.
    relabelled: ClassVar[Signal] = Signal(tuple)

    def __init__(self) -> None:
        self._numbers: Iterator[int] = itertools.count()
        self._rows: tuple[ConceptRow, ...] = ()

    @property
    def rows(self) -> tuple[ConceptRow, ...]:
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words; an error says so when there are none yet."""
        if not self._rows:
            raise VocabularyError(
                'there are no concepts yet; type some above the table, such as "nucleus; '
                'cytoplasm", and press Enter'
            )
        return Vocabulary(tuple(row.concept for row in self._rows))

    @property
    def colours(self) -> tuple[Colour, ...]:
        return self.vocabulary.colours if self._rows else ()

    @property
    def locked_labels(self) -> frozenset[int]:
        return frozenset(label for label, row in enumerate(self._rows, start=1) if row.locked)

    @property
    def hidden_labels(self) -> frozenset[int]:
        return frozenset(label for label, row in enumerate(self._rows, start=1) if not row.visible)

    def add(self, text: str) -> None:
        """Append what the grammar says: "nucleus: cell nucleus; cytoplasm @0.4; -glass slide"."""
        if not text.strip():
            raise VocabularyError('nothing was typed; write a name such as "nucleus"')
        known = "".join(f"{row.concept}\n" for row in self._rows)
        concepts = Vocabulary.parse(known + text).concepts
        added = (self._new_row(concept) for concept in concepts[len(self._rows) :])
        self._rows = (*self._rows, *added)
        self.words_changed.emit()

    def remove(self, row: int) -> None:
        """Take a row out; the labels behind it move up."""
        kept = self._with_lasting_colours()
        self._rearrange(kept[:row] + kept[row + 1 :])

    def move(self, row: int, step: int) -> None:
        """Move a row by `step` places; it stops at the ends."""
        target = min(max(row + step, 0), len(self._rows) - 1)
        if target == row:
            return
        rows = list(self._with_lasting_colours())
        rows.insert(target, rows.pop(row))
        self._rearrange(tuple(rows))

    def set_heading(self, row: int, text: str) -> None:
        """Rename; `-` makes a negative concept, `@0.4` a threshold of its own."""
        new, old = self._read_in_place(row, text), self._rows[row].concept
        if new.phrases == (new.name,) and old.phrases != (old.name,):
            new = replace(new, phrases=old.phrases)
        self._edit(row, replace(new, colour=new.colour or old.colour))

    def set_phrases(self, row: int, text: str) -> None:
        """Other phrases, separated by commas; none: the name is its own phrase."""
        old = self._rows[row].concept
        name = str(Concept(old.name))
        new = self._read_in_place(row, f"{name}: {text}" if text.strip() else name)
        self._edit(row, replace(old, phrases=new.phrases))

    def set_colour(self, row: int, colour: Colour) -> None:
        old = self._rows[row]
        if colour != self.colours[row]:
            self._put(row, replace(old, concept=replace(old.concept, colour=colour)))
            self.looks_changed.emit()

    def set_visible(self, row: int, *, visible: bool) -> None:
        self._put(row, replace(self._rows[row], visible=visible))
        self.looks_changed.emit()

    def set_locked(self, row: int, *, locked: bool) -> None:
        self._put(row, replace(self._rows[row], locked=locked))
        self.looks_changed.emit()

    def replace_all(self, vocabulary: Vocabulary) -> None:
        """Take another list of words; concepts of the same name keep their pixels and looks."""
        known = {row.concept.name.casefold(): row for row in self._rows}
        rows = []
        for concept in vocabulary:
            row = known.get(concept.name.casefold())
            rows.append(self._new_row(concept) if row is None else replace(row, concept=concept))
        self._rearrange(tuple(rows))

    def read(self, path: Path) -> None:
        """Take the words of a YAML or text file instead of these."""
        self.replace_all(Vocabulary.read(path))

    def write(self, path: Path) -> None:
        """Write the words as a file that `read` and the command line read."""
        vocabulary = self.vocabulary
        is_yaml = path.suffix.casefold() in (".yaml", ".yml")
        text = vocabulary.to_yaml() if is_yaml else "".join(f"{each}\n" for each in vocabulary)
        try:
            write_whole(path, text.encode())
        except OSError as error:
            raise OptionError(
                f"cannot write {path}: {error.strerror or error}; choose another folder"
            ) from error

    def _new_row(self, concept: Concept) -> ConceptRow:
        return ConceptRow(concept, next(self._numbers))

    def _read_in_place(self, row: int, text: str) -> Concept:
        """What a row would be if this were typed instead of it."""
        lines = [str(each.concept) for each in self._rows]
        lines[row] = text
        concepts = Vocabulary.parse("\n".join(lines)).concepts
        if len(concepts) != len(lines):
            raise VocabularyError(f"expected one concept in a row, got {text!r}; add others above")
        return concepts[row]

    def _edit(self, row: int, concept: Concept) -> None:
        if concept != self._rows[row].concept:
            self._put(row, replace(self._rows[row], concept=concept))
            self.words_changed.emit()

    def _put(self, row: int, new: ConceptRow) -> None:
        self._rows = (*self._rows[:row], new, *self._rows[row + 1 :])

    def _rearrange(self, rows: tuple[ConceptRow, ...]) -> None:
        if rows:
            Vocabulary(tuple(row.concept for row in rows))  # refuses before anything changes
        old, self._rows = self._rows, rows
        place = {row.number: label for label, row in enumerate(rows, start=1)}
        moved = (0, *(place.get(row.number, 0) for row in old))
        if moved != tuple(range(len(old) + 1)):
            self.relabelled.emit(moved)
        self.words_changed.emit()

    def _with_lasting_colours(self) -> tuple[ConceptRow, ...]:
        """A concept without a colour of its own keeps the one it shows, wherever it moves."""
        return tuple(
            replace(row, concept=replace(row.concept, colour=colour))
            for row, colour in zip(self._rows, self.colours, strict=True)
        )
