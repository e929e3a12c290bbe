"""What the guides of the bundled trunk tell it: mean IoU with each replaced by its own mean.

    python benchmarks/trunk_guides.py [--count 25]

`words` are the projected texts of the concepts, `cells` the projected cells of the tower. Held-out
crowded scenes, default pipeline, CPU, float32. Prints JSON lines {name, value, target, unit,
reached}.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from ovseg_annotate.cost.guidance import Guidance, Guides
from ovseg_annotate.datasets.scenes import Pairs
from ovseg_annotate.evaluate_model import examine
from ovseg_annotate.evaluation.held_out import Asking, SceneSet, scene_trials
from ovseg_annotate.image import Image
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Vocabulary

Kind: TypeAlias = Literal["words", "cells"]
PAIRS: tuple[Pairs, ...] = ("unseen", "seen")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=25, help="pictures of each set")
    count = parser.parse_args().count
    torch.set_num_threads(1)
    with open_session("catseg@mini", device="cpu", precision="float32") as session:
        report(session, "with its guides", count)
        kinds: tuple[Kind, ...] = ("words", "cells")
        for kind in kinds:
            # Its type says that a hook gives nothing; it may give another output.
            hook = register_module_forward_hook(blunting(kind))  # type: ignore[arg-type]
            report(session, f"with the mean of its {kind}", count)
            hook.remove()


def blunting(kind: Kind) -> Callable[[nn.Module, Any, Any], Guides | None]:
    """A forward hook that takes from guides what one place or one concept has of its own."""

    def blunted(module: nn.Module, inputs: Any, guides: Any) -> Guides | None:
        del inputs
        if not isinstance(module, Guidance) or not isinstance(guides, Guides):
            return None
        visual, text = guides.visual, guides.text
        if kind == "cells" and visual is not None:
            visual = visual.mean(dim=(1, 2), keepdim=True).expand_as(visual)
        if kind == "words" and text is not None:
            text = text.mean(dim=1, keepdim=True).expand_as(text)
        return Guides(visual, text, guides.decoder)

    return blunted


def report(session: Session, name: str, count: int) -> None:
    def annotated(image: Image, vocabulary: Vocabulary) -> LabelMap:
        return session.annotate(image, vocabulary).label_map

    for pairs in PAIRS:
        trials = scene_trials(SceneSet.CROWDED, pairs, Asking(count))
        value = examine(trials, annotated, 2.0, exhibits=0).result.scores.mean_iou
        line = {"name": f"trunk {name}: {trials.name}", "value": round(value, 4), "unit": "mIoU"}
        print(json.dumps({**line, "target": None, "reached": None}), flush=True)


if __name__ == "__main__":
    main()
