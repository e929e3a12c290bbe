from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from ovseg_annotate.backbones.tokenizer_subset import (
    merges_bytes,
    needed_merges,
    read_merges,
    subset_tokenizer,
    vocabulary_size,
)
from ovseg_annotate.training.mini_words import tokenizer_words

WORDS = ("cell nucleus", "umbrella", "red circle")


@pytest.fixture(scope="module")
def merges_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("merges") / "merges.txt.gz"
    path.write_bytes(merges_bytes(needed_merges(WORDS)))
    return path


@pytest.fixture(scope="module")
def full_tokenizer() -> SimpleTokenizer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return SimpleTokenizer()


def test_listed_words_are_cut_as_the_full_tokenizer_cuts_them(
    merges_file: Path, full_tokenizer: SimpleTokenizer
) -> None:
    subset = subset_tokenizer(merges_file, 20)
    for text in WORDS:
        cut = [subset.decoder[token] for token in subset.encode(text)]
        assert cut == [full_tokenizer.decoder[token] for token in full_tokenizer.encode(text)]


@given(st.text(max_size=30))
def test_any_text_has_ids_inside_the_table(merges_file: Path, text: str) -> None:
    subset = subset_tokenizer(merges_file, 20)
    tokens = subset([text])
    assert tokens.shape == (1, 20)
    assert int(tokens.max()) == subset.vocab_size - 1  # the end mark is the highest: argmax pools


def test_the_size_is_the_one_the_tokenizer_has(merges_file: Path) -> None:
    subset = subset_tokenizer(merges_file, 20)
    assert vocabulary_size(read_merges(merges_file)) == subset.vocab_size


def test_equal_words_give_equal_bytes_in_any_order() -> None:
    assert merges_bytes(needed_merges(WORDS)) == merges_bytes(needed_merges(WORDS[::-1]))


def test_the_file_gives_back_its_merges(merges_file: Path) -> None:
    assert read_merges(merges_file) == needed_merges(WORDS)


def test_every_listed_word_of_the_bundled_tokenizer_fits_the_context(tmp_path: Path) -> None:
    path = tmp_path / "merges.txt.gz"
    path.write_bytes(merges_bytes(needed_merges(tokenizer_words())))
    subset = subset_tokenizer(path, 20)
    longest = max(len(subset.encode(text)) for text in tokenizer_words())
    assert longest <= 10
    assert subset.vocab_size < 2500
    assert torch.equal(subset(["red circle"])[0, 4:], torch.zeros(16, dtype=torch.long))
