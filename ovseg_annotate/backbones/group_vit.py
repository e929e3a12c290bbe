"""A vision transformer whose cells gather in groups, in two steps.

"GroupViT: Semantic Segmentation Emerges from Text Supervision", section 3.1, with the prototypes of
"Uncovering Prototypical Knowledge for Weakly Open-Vocabulary Semantic Segmentation", section 3.2.
Written from the papers' formulas. Tensors are (pictures, tokens, width).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.positions import grid_of
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.grouping.assignment import Grouped, GroupingBlock
from ovseg_annotate.grouping.layers import Mlp, Projection, TokenBlock
from ovseg_annotate.grouping.prototypes import PrototypeMemory

_FIRST_NPR_SCALE = 10.0
_MAY_BE_NOTHING = ("stem", "depths", "quick")


@dataclass(frozen=True, slots=True)
class GroupSizes:
    """What the shapes of the weights follow from; the defaults are the published ones."""

    image: int = 224  # pixels, both sides, in training
    patch: int = 16
    width: int = 384
    heads: int = 6
    stem: int = 0  # blocks of a tower that cells go through alone; not published
    depths: tuple[int, int, int] = (6, 3, 3)  # blocks before, between and after the groupings
    groups: tuple[int, int] = (64, 8)
    hidden: int = 4096  # of the projections
    shared: int = 256  # width of the space that groups and texts share
    text_width: int = 256
    text_heads: int = 4
    text_layers: int = 12
    text_tokens: int = 77  # start and end marks included
    vocabulary: int = 49_408
    quick: bool = True  # the text's activation is CLIP's quick one

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), int(field.name not in _MAY_BE_NOTHING)
            if min(value if isinstance(value, tuple) else (int(value),)) < least:
                raise OptionError(f"size {field.name!r}: got {value}; allowed: {least} or more")
        if self.image % self.patch:
            raise OptionError(f"size 'image': got {self.image}; allowed: multiples of {self.patch}")
        for width, heads in (("width", "heads"), ("text_width", "text_heads")):
            if getattr(self, width) % getattr(self, heads):
                raise OptionError(
                    f"size {width!r}: got {getattr(self, width)}; allowed: a multiple of the "
                    f"{getattr(self, heads)} {heads}"
                )

    @property
    def grid(self) -> Size:
        return Size(self.image // self.patch, self.image // self.patch)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What one stage leaves behind."""

    tokens: Tensor  # (pictures, tokens or segments, width)
    group_tokens: Tensor  # (pictures, groups, width); none in the last stage
    grouped: Grouped | None
    prototypes: Tensor | None  # (pictures, groups, width)


@dataclass(frozen=True, slots=True, eq=False)
class GroupedPictures:
    """What the network sees in some pictures."""

    segments: Tensor  # (pictures, groups, width)
    steps: tuple[Grouped, Grouped]
    prototypes: tuple[Tensor | None, Tensor | None]  # of both steps; None: not asked for
    grid: Size

    @property
    def pooled(self) -> Tensor:
        """(pictures, width)."""
        return self.segments.mean(dim=1)

    @property
    def assignment(self) -> Tensor:
        """(pictures, groups, rows, columns): the share of each cell in each last group."""
        first, second = self.steps
        shares = second.soft @ first.soft
        return shares.view(*shares.shape[:2], self.grid.height, self.grid.width)


class GroupStage(nn.Module):
    """Blocks over tokens and group tokens together, then tokens join groups."""

    def __init__(self, sizes: GroupSizes, number: int, skipped: list[float]) -> None:
        super().__init__()
        width, groups = sizes.width, (*sizes.groups, 0)[number]
        self.blocks = nn.ModuleList(TokenBlock(width, sizes.heads, share) for share in skipped)
        self.group_tokens = None
        self.carry = None
        if not groups:
            return
        self.group_tokens = nn.Parameter(torch.zeros(1, groups, width))
        if number:
            self.carry_norm = nn.LayerNorm(width)
            self.carry = Mlp(sizes.groups[number - 1], width // 2, groups)
        else:
            nn.init.trunc_normal_(self.group_tokens, std=0.02)
        self.memory = PrototypeMemory(groups, width)
        self.reconstruct = Projection(width, sizes.hidden, width)
        nn.init.zeros_(self.reconstruct.second.weight)  # at first, nothing is added to tokens
        nn.init.zeros_(self.reconstruct.second.bias)
        self.grouping = GroupingBlock(width, sizes.heads, groups, groups)

    def forward(self, tokens: Tensor, before: Tensor, *, prototypes: bool) -> Stage:
        """`before` is the group tokens of the stage before."""
        if self.group_tokens is None:
            return Stage(self._mixed(tokens), before, None, None)
        groups = self.group_tokens.expand(len(tokens), -1, -1)
        if self.carry is not None:
            groups = groups + self.carry(self.carry_norm(before).mT).mT
        count = tokens.shape[1]
        mixed = self._mixed(torch.cat([tokens, groups], dim=1))
        cells, groups = mixed[:, :count], mixed[:, count:]
        found = None
        if prototypes:
            found = self.memory(tokens)
            cells = cells + self.reconstruct(found.reconstruction).to(cells.dtype)
        grouped = self.grouping(cells, groups)
        return Stage(grouped.segments, groups, grouped, found.prototypes if found else None)

    def _mixed(self, tokens: Tensor) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens)
        return tokens


class Stem(nn.Module):
    """The blocks of a tower with its class token, which only cells look at."""

    def __init__(self, sizes: GroupSizes) -> None:
        super().__init__()
        self.lead = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.blocks = nn.ModuleList(TokenBlock(sizes.width, sizes.heads) for _ in range(sizes.stem))

    def forward(self, cells: Tensor) -> Tensor:
        tokens = torch.cat([self.lead.expand(len(cells), -1, -1), cells], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens[:, 1:]


class GroupVit(nn.Module):
    """Pictures to segments."""

    def __init__(self, sizes: GroupSizes, skipped: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.embed = nn.Conv2d(3, sizes.width, sizes.patch, stride=sizes.patch)
        self.embed_norm = nn.LayerNorm(sizes.width)
        self.positions = nn.Parameter(torch.empty(1, sizes.grid.area, sizes.width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.stem = Stem(sizes) if sizes.stem else None
        blocks = sum(sizes.depths)
        shares = [skipped * number / max(blocks - 1, 1) for number in range(blocks)]
        self.stages = nn.ModuleList()
        for number, depth in enumerate(sizes.depths):
            self.stages.append(GroupStage(sizes, number, shares[:depth]))
            shares = shares[depth:]
        self.norm = nn.LayerNorm(sizes.width)
        # Of the cosines of groups and prototypes; its own, kept as a logarithm.
        self.npr_scale = nn.Parameter(torch.tensor(math.log(_FIRST_NPR_SCALE)))

    def forward(self, images: Tensor, *, prototypes: bool = True) -> GroupedPictures:
        """(pictures, 3, height, width), normalised; sides are multiples of the patch."""
        grid = grid_of(images, self.sizes.patch)
        return self.grouped(self.cells(images), grid, prototypes=prototypes)

    def cells(self, images: Tensor) -> Tensor:
        """(pictures, 3, height, width) -> (pictures, cells, width), before any group."""
        grid = grid_of(images, self.sizes.patch)
        cells: Tensor = self.embed(images).flatten(2).mT
        if self.stem is None:
            cells = self.embed_norm(cells) + self._positions_on(grid)
        else:  # towers add positions first
            cells = self.stem(self.embed_norm(cells + self._positions_on(grid)))
        return cells

    def grouped(self, tokens: Tensor, grid: Size, *, prototypes: bool) -> GroupedPictures:
        """What comes behind `cells`."""
        groups = tokens.new_zeros(0)
        stages: list[Stage] = []
        for stage in self.stages:
            stages.append(stage(tokens, groups, prototypes=prototypes))
            tokens, groups = stages[-1].tokens, stages[-1].group_tokens
        steps = [stage.grouped for stage in stages if stage.grouped is not None]
        return GroupedPictures(
            segments=self.norm(tokens),
            steps=(steps[0], steps[1]),
            prototypes=(stages[0].prototypes, stages[1].prototypes),
            grid=grid,
        )

    def _positions_on(self, grid: Size) -> Tensor:
        native = self.sizes.grid
        if grid == native:
            return self.positions
        cells = self.positions.float().mT.reshape(1, -1, native.height, native.width)
        resized = functional.interpolate(cells, size=(grid.height, grid.width), mode="bicubic")
        return resized.flatten(2).mT.to(self.positions.dtype)
