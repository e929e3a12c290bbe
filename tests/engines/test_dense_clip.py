from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from engines.fixture_tower import assert_as_published, facts_of, fixture_tower, tensors_of
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.engines import dense_clip
from ovseg_annotate.engines.dense_clip import DenseClip, DenseClipOptions, PatchFeatures, cosines
from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.refine.options import PamrSchedule
from ovseg_annotate.refine.pamr import refined_window
from ovseg_annotate.scores import fold, grouped
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Vocabulary

END_TO_END = "naclip_end_to_end"


class SpelledOut:
    """A text tower that gives a text the direction of its letters."""

    longest_phrase = 77

    def token_count(self, text: str) -> int:
        return len(text)

    def encode(self, texts: Sequence[str]) -> Tensor:
        rows = []
        for text in texts:
            seed = int.from_bytes(text.encode()[:7], "big")
            rows.append(torch.randn(32, generator=torch.Generator().manual_seed(seed)))
        return normalize(torch.stack(rows), dim=-1)


class ConvolutionalStandIn:
    def __init__(self) -> None:
        self.card = fixture_tower().card

    def dense(self, images: Tensor) -> tuple[Tensor, Size]:
        return torch.ones(len(images), 4, 32), Size(2, 2)


def fixture_clip(**card_changes: object) -> Clip:
    tower = fixture_tower()
    card = replace(tower.card, templates="plain", **card_changes)
    return Clip(card, tower, SpelledOut(), (nn.Identity(), nn.Identity()))


def starts(length: int, window: int, stride: int) -> list[int]:
    """The published windows: the last one is pulled back inside."""
    count = max(length - window + stride - 1, 0) // stride + 1
    return [max(min(i * stride + window, length) - window, 0) for i in range(count)]


def window_cosines(engine: DenseClip, images: Tensor, phrases: Tensor) -> Tensor:
    """(windows, phrases, rows, columns), as the engine compares them."""
    features = engine.encode_image(images)
    _, rows, columns, _ = features.tokens.shape
    values = cosines(features.tokens.flatten(1, 2), phrases)
    return values.transpose(0, 1).unflatten(2, (rows, columns))


def slid_cosines(engine: DenseClip, image: Tensor, phrases: Tensor) -> Tensor:
    facts = facts_of(END_TO_END)["hyperparameters"]
    side, stride = facts["slide_crop"], facts["slide_stride"]
    height, width = image.shape[2:]
    total = torch.zeros(1, len(phrases), height, width)
    seen = torch.zeros(1, 1, height, width)
    for top in starts(height, side, stride):
        for left in starts(width, side, stride):
            place = (..., slice(top, top + side), slice(left, left + side))
            one = window_cosines(engine, image[place], phrases)
            total[place] += interpolate(one, image[place].shape[2:], mode="bilinear")
            seen[place] += 1
    return total / seen


def assert_published_labels(values: Tensor, tensor: str) -> None:
    """Strength is compared with the threshold before it is renormalised over concepts."""
    settings, given_ = facts_of(END_TO_END)["hyperparameters"], tensors_of(END_TO_END)
    phrases = (settings["logit_scale"] * values).softmax(dim=0)
    strength = grouped(phrases, given_["in.query_idx"].tolist(), 4, "max")
    labels = strength.argmax(dim=0)
    labels[strength.amax(dim=0) < settings["prob_thd"]] = 0
    assert float((labels.int() == given_[tensor]).double().mean()) >= 0.999


def test_windows_of_the_engine_average_to_the_published_answer() -> None:
    given_, facts = tensors_of(END_TO_END), facts_of(END_TO_END)
    engine = DenseClip("naclip", fixture_clip())
    values = slid_cosines(engine, given_["in.image"], given_["in.text"])
    assert_as_published(values[:, :, ::2, ::2], END_TO_END, "out.slide_logits")

    settings = facts["hyperparameters"]
    size = Size(*settings["output_size"])
    large, guide = (
        interpolate(maps, (size.height, size.width), mode="bilinear")[0]
        for maps in (values, given_["in.image"])
    )
    assert_published_labels(large, "out.pred_no_pamr")

    schedule = PamrSchedule(settings["pamr_steps"], tuple(settings["pamr_dilations"]))
    refined = refined_window(large, guide, Window(0, 0, size.height, size.width), schedule)
    assert_as_published(refined[None, :, ::2, ::2], END_TO_END, "out.pamr_logits")
    assert_published_labels(refined, "out.pred")
    owners = given_["in.query_idx"].tolist()
    probabilities = fold(settings["logit_scale"] * refined, owners, 4, "max")
    assert_as_published(probabilities, END_TO_END, "out.prob")


def test_a_whole_picture_gives_the_published_cosines() -> None:
    given_ = tensors_of(END_TO_END)
    image = given_["in.image"]
    engine = DenseClip("naclip", fixture_clip())
    values = window_cosines(engine, image, given_["in.text"])
    large = interpolate(values, image.shape[2:], mode="bilinear")
    assert_as_published(large[:, :, ::2, ::2], END_TO_END, "out.whole_logits")


def test_scores_are_folded_cosines_at_the_scale() -> None:
    engine = DenseClip("naclip", fixture_clip(), DenseClipOptions(scale=25.0, fold="sum"))
    text = engine.encode_text(Vocabulary.parse("sky: blue sky, cloud; road; -snow"))
    features = engine.encode_image(tensors_of("clip_dense_lastblock")["in.image_large"])
    values = engine.score(features, text).values
    one = text.embeddings @ features.tokens[1, 2, 3]
    expected = fold(25.0 * one, text.vocabulary.phrase_owners, 3, "sum")
    torch.testing.assert_close(values[1, :, 2, 3], expected)


@hypothesis_settings(deadline=None, max_examples=50)
@given(
    windows=st.integers(1, 9),
    cells=st.integers(1, 40),
    phrases=st.integers(1, 5000),
    limit=st.integers(1, 3000),
)
def test_spans_cover_every_cell_once_within_the_limit(
    windows: int, cells: int, phrases: int, limit: int
) -> None:
    seen = torch.zeros(windows, cells)
    for some, places in dense_clip._spans(windows, cells, phrases, limit):
        piece = seen[some, places]
        assert piece.numel() == 1 or piece.numel() * phrases <= limit
        piece += 1
    assert torch.equal(seen, torch.ones(windows, cells))


def test_five_thousand_concepts_are_scored() -> None:
    engine = DenseClip("naclip", fixture_clip())
    words = Vocabulary.parse("; ".join(f"{number} things" for number in range(5000)))
    text = TextBank(words, normalize(torch.randn(5000, 32), dim=-1))
    tokens = normalize(torch.randn(2, 9, 8, 32), dim=-1)
    values = engine.score(PatchFeatures(tokens), text).values
    assert values.shape == (2, 5000, 9, 8)
    torch.testing.assert_close(values.sum(dim=1), torch.ones(2, 9, 8))


def test_the_scale_comes_from_the_option_then_the_tower_then_the_engine() -> None:
    features = PatchFeatures(normalize(torch.randn(1, 2, 2, 32), dim=-1))

    def sharpness(name: str, clip: Clip, scale: float | None = None) -> float:
        engine = DenseClip(name, clip, DenseClipOptions(scale=scale))
        text = engine.encode_text(Vocabulary.parse("sky; road"))
        scores = engine.score(features, text).values[0, :, 0, 0].log()
        difference = text.embeddings @ features.tokens[0, 0, 0]
        return float((scores[0] - scores[1]) / (difference[0] - difference[1]))

    assert sharpness("naclip", fixture_clip()) == pytest.approx(40, rel=1e-3)
    assert sharpness("clearclip", fixture_clip()) == pytest.approx(50, rel=1e-3)
    assert sharpness("naclip", fixture_clip(scale=20.0)) == pytest.approx(20, rel=1e-3)
    assert sharpness("naclip", fixture_clip(scale=20.0), 7.0) == pytest.approx(7, rel=1e-3)


def test_only_what_changes_features_stands_in_the_feature_options() -> None:
    plain = DenseClip("naclip", fixture_clip()).card
    sharper = DenseClip("naclip", fixture_clip(), DenseClipOptions(scale=50.0, fold="sum")).card
    wider = DenseClip("naclip", fixture_clip(), DenseClipOptions(sigma=9.0)).card
    assert plain.feature_options == sharper.feature_options != wider.feature_options
    assert len({plain.options, sharper.options, wider.options}) == 3


@pytest.mark.parametrize("name", ["sigma", "scale"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_an_option_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=name):
        DenseClipOptions(**{name: value})


def test_a_neighbourhood_is_not_for_engines_without_one() -> None:
    with pytest.raises(OptionError, match="sigma"):
        DenseClip("sclip", fixture_clip(), DenseClipOptions(sigma=3.0))


def test_an_engine_on_the_wrong_kind_of_tower_names_the_right_one() -> None:
    with pytest.raises(ModelError, match="naclip@tiny"):
        DenseClip("conv", fixture_clip())
    convolutional = replace(fixture_clip(), vision=ConvolutionalStandIn())
    with pytest.raises(ModelError, match="conv@tiny"):
        DenseClip("naclip", convolutional)


def test_features_of_another_engine_are_refused() -> None:
    engine = DenseClip("naclip", fixture_clip())
    with pytest.raises(ModelError, match="PatchFeatures"):
        engine.score(object(), engine.encode_text(Vocabulary.parse("sky")))


def test_the_published_templates_can_be_asked_for() -> None:
    engine = DenseClip("naclip", fixture_clip(), DenseClipOptions(templates="openai80"))
    plain = DenseClip("naclip", fixture_clip())
    words = Vocabulary.parse("sky")
    assert not torch.allclose(
        engine.encode_text(words).embeddings, plain.encode_text(words).embeddings
    )
