"""A second way to tell where concepts are, for training only: it teaches tower and words.

Formula: the text-pixel alignment of "FGAseg" (Li et al. 2025), which is the projector of "CRIS"
(Wang et al. 2022, section 3.4).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.cost.local_alignment import TextKernels
from ovseg_annotate.cost.loss import Truth, pixel_loss

_SIDE = 3


class AlignHead(nn.Module):
    """Cells enlarged four times, and the words as kernels over them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.first = _convolved(width, width)
        self.second = _convolved(width, half)
        self.last = nn.Conv2d(half, half, 1)
        self.kernels = TextKernels(width, half, _SIDE, softmax=False)

    def forward(self, cells: Tensor, text: Tensor) -> Tensor:
        """(windows, width, rows, columns), (windows, concepts, 1, width) -> logits.

        They are (windows, concepts, 4 rows, 4 columns); lengths of cells and words count.
        """
        planes = self.second(_enlarged(self.first(_enlarged(cells))))
        maps: Tensor = self.kernels(self.last(planes), text)
        return maps[:, 0]


def align_loss(logits: Tensor, truth: Truth) -> Tensor:
    """The loss of pixels on the grid of the logits: labels are thinned out, not blurred."""
    grid = logits.shape[2:]
    # By way of float64, which holds every label exactly: torch thins out no integers.
    thinned = functional.interpolate(truth.labels[:, None].double(), grid, mode="nearest")
    return pixel_loss(logits, Truth(thinned[:, 0].long(), truth.mask_unlabelled))


def _convolved(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
    )


def _enlarged(planes: Tensor) -> Tensor:
    return functional.interpolate(planes, scale_factor=2, mode="bilinear")
