"""What every engine owes to its callers; a test class inherits this and gives `model`."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod

import pytest
import torch
from torch import Tensor

from ovseg_annotate.catalog import open_engine
from ovseg_annotate.engine import Engine, joined, some_windows, tensors_of
from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.lessons.weighed import phrases_apart
from ovseg_annotate.scores import grouped
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Vocabulary

CPU = torch.device("cpu")
WORDS = Vocabulary.parse("cat: cat, red cat; dog; red; -red dog")


class EngineContract:
    """The engine is small and has random weights: only form and consistency are looked at."""

    @pytest.fixture(scope="class")
    @classmethod
    @abstractmethod
    def model(cls) -> str:
        """ENGINE@WEIGHTS that opens without a network."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, model: str) -> Engine:
        return open_engine(model, offline=True)

    @pytest.fixture(scope="class")
    @classmethod
    def windows(cls, engine: Engine) -> Tensor:
        """Three windows, wider than high and neither of the training size."""
        step = engine.card.multiple_of
        height, width = (
            step * -(-least // step)
            for least in (engine.card.window.height, engine.card.window.width + 1)
        )
        return torch.randn((3, 3, height, width), generator=torch.Generator().manual_seed(0))

    @pytest.fixture(scope="class")
    @classmethod
    def text(cls, engine: Engine) -> TextBank:
        return engine.encode_text(WORDS)

    def test_the_card_is_complete(self, engine: Engine, model: str) -> None:
        card = engine.card
        assert card.name == model
        assert card.version
        assert card.multiple_of >= 1
        assert card.stride >= 1
        assert card.window.height % card.multiple_of == card.window.width % card.multiple_of == 0
        assert 0 <= card.threshold <= 1
        assert all(deviation > 0 for deviation in card.std)
        assert len(card.weights_digest) == 64
        assert card.licence

    def test_features_are_tensors_with_windows_first(self, engine: Engine, windows: Tensor) -> None:
        features = engine.encode_image(windows)
        assert type(features) is engine.features_kind
        assert dataclasses.is_dataclass(features)
        for tensor in tensors_of(features).values():
            assert len(tensor) == len(windows)
            assert not tensor.requires_grad
            assert bool(tensor.isfinite().all())

    def test_the_same_windows_give_the_same_features(self, engine: Engine, windows: Tensor) -> None:
        first = tensors_of(engine.encode_image(windows))
        engine.encode_text(Vocabulary.parse("dog; cat dog"))  # words must leave no trace in it
        again = tensors_of(engine.encode_image(windows))
        assert all(torch.equal(first[name], again[name]) for name in first)

    def test_the_same_words_give_the_same_vectors(self, engine: Engine, text: TextBank) -> None:
        assert torch.equal(engine.encode_text(WORDS).embeddings, text.embeddings)
        assert text.vocabulary == WORDS
        assert text.embeddings.dtype == torch.float32

    def test_scores_are_probabilities_on_the_grid_of_the_card(
        self, engine: Engine, windows: Tensor, text: TextBank
    ) -> None:
        scores = engine.score(engine.encode_image(windows), text)
        rows, columns = (side // engine.card.stride for side in windows.shape[2:])
        assert scores.vocabulary == WORDS
        assert scores.values.shape == (3, len(WORDS), rows, columns)
        assert bool(((scores.values >= 0) & (scores.values <= 1)).all())
        if scores.competing:
            torch.testing.assert_close(scores.values.sum(dim=1), torch.ones(3, rows, columns))

    def test_scores_of_other_windows_differ(
        self, engine: Engine, windows: Tensor, text: TextBank
    ) -> None:
        scores = engine.score(engine.encode_image(windows), text).values
        assert not torch.allclose(scores[0], scores[1])

    def test_a_batch_equals_one_by_one(
        self, engine: Engine, windows: Tensor, text: TextBank
    ) -> None:
        together = engine.score(engine.encode_image(windows), text).values
        parts = [engine.encode_image(window[None]) for window in windows]
        alone = engine.score(joined(parts), text).values
        torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-3)

    def test_some_windows_score_as_they_do_among_all(
        self, engine: Engine, windows: Tensor, text: TextBank
    ) -> None:
        features = engine.encode_image(windows)
        some = engine.score(some_windows(features, 1, 3), text).values
        torch.testing.assert_close(some, engine.score(features, text).values[1:3])

    def test_phrases_fold_into_concepts_as_the_card_says(
        self, engine: Engine, windows: Tensor, text: TextBank
    ) -> None:
        rule = engine.card.folds
        if rule is None:
            pytest.skip("the card does not say how phrases fold")
        features = engine.encode_image(windows)
        concepts = engine.score(features, text).values
        apart = phrases_apart(text, tuple(range(len(WORDS.phrases))))
        phrases = engine.score(features, apart).values.transpose(0, 1)  # (phrases, windows, ...)
        folded = grouped(phrases, WORDS.phrase_owners, len(WORDS), rule)
        folded = folded / folded.sum(dim=0)
        torch.testing.assert_close(folded.transpose(0, 1), concepts, atol=1e-5, rtol=1e-4)

    def test_the_order_of_words_does_not_matter(self, engine: Engine, windows: Tensor) -> None:
        features = engine.encode_image(windows)
        one = engine.score(features, engine.encode_text(Vocabulary.parse("cat; dog; red")))
        other = engine.score(features, engine.encode_text(Vocabulary.parse("red; cat; dog")))
        torch.testing.assert_close(one.values, other.values[:, [1, 2, 0]], atol=1e-5, rtol=1e-4)

    def test_a_window_that_the_card_excludes_is_refused(self, engine: Engine) -> None:
        step = engine.card.multiple_of
        if step == 1:
            pytest.skip("every size is a multiple of one pixel")
        with pytest.raises(ModelError, match=f"multiples of {step}"):
            engine.encode_image(torch.zeros(1, 3, step, step + 1))

    def test_windows_of_one_channel_are_refused(self, engine: Engine) -> None:
        window = engine.card.window
        with pytest.raises(ModelError):
            engine.encode_image(torch.zeros(1, 1, window.height, window.width))

    def test_words_of_another_tower_are_refused(
        self, engine: Engine, windows: Tensor, text: TextBank
    ) -> None:
        stranger = TextBank(WORDS, text.embeddings[:, :-1])
        with pytest.raises(ModelError, match="width"):
            engine.score(engine.encode_image(windows), stranger)

    def test_an_unknown_option_is_refused(self, model: str) -> None:
        with pytest.raises(OptionError, match="unknown option"):
            open_engine(model, {"no-such-option": 1}, offline=True)

    def test_half_precision_stays_close(
        self, engine: Engine, windows: Tensor, text: TextBank
    ) -> None:
        if not engine.card.half_precision:
            pytest.skip("the card excludes half precision")
        whole = engine.score(engine.encode_image(windows), text).values
        engine.to(CPU, torch.bfloat16)
        try:
            half = engine.score(engine.encode_image(windows.bfloat16()), text).values
            fresh = engine.encode_text(Vocabulary.parse("red cat dog")).embeddings
        finally:
            engine.to(CPU, torch.float32)
        # Vectors of words outlive the precision they were made under, so it must not touch them.
        same = engine.encode_text(Vocabulary.parse("red cat dog")).embeddings
        torch.testing.assert_close(fresh, same)
        assert float((half - whole).abs().mean()) < 0.05
        again = engine.score(engine.encode_image(windows), text).values
        assert float((again - whole).abs().mean()) < 0.05
