"""Sample data: drawn, not fetched."""

from __future__ import annotations

import numpy as np
import pytest

from napari_plugin import samples
from napari_plugin.layer_reading import origin_in


@pytest.mark.parametrize("sample", [samples.shapes, samples.crowd, samples.microscopy])
def test_a_sample_is_a_picture_that_says_what_can_be_found(sample: object) -> None:
    ((pixels, keywords, kind),) = sample()  # type: ignore[operator]
    assert (kind, pixels.dtype, pixels.shape) == ("image", np.uint8, (512, 512, 3))
    origin = origin_in(keywords, "sample")
    assert origin is not None
    assert len(origin.vocabulary) >= 2


def test_the_answer_covers_every_pixel_of_the_slide() -> None:
    image, (labels, keywords, _), _ = samples.microscopy_with_answer()
    assert labels.shape == image[0].shape[:2]
    assert labels.min() == 1
    assert keywords["features"]["class"][1:] == list(_words(keywords))


def _words(keywords: dict[str, object]) -> tuple[str, ...]:
    origin = origin_in(keywords, "sample")
    assert origin is not None
    return origin.vocabulary.names
