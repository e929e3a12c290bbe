"""`ovseg scenes`: generated pictures with exact masks, to try things on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ovseg_annotate.cli.talk import ProgressView, Talk
from ovseg_annotate.datasets.scenes import Pairs, Scene, SceneRules, SceneStyle, draw_scene
from ovseg_annotate.errors import OptionError
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.run_folder import write_whole
from ovseg_annotate.vocabulary import Concept, Vocabulary


@dataclass(frozen=True, slots=True)
class ScenesOptions:
    """What is drawn."""

    count: int = 12  # pictures
    seed: int = 0  # the same seed and options draw the same pictures
    style: SceneStyle = SceneStyle.MIXED  # what is in them
    size: int = 256  # px of each side
    pairs: Pairs = "any"  # pairs of colour and shape: those the bundled model was taught, or not
    object_scale: float = 1.0  # objects this many times larger

    def __post_init__(self) -> None:
        if self.count < 1:
            raise OptionError(f"--count {self.count}: draw at least 1 picture")

    @property
    def rules(self) -> SceneRules:
        size = Size(height=self.size, width=self.size)
        return SceneRules(self.style, size, self.pairs, self.object_scale)


def scenes(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    options: ScenesOptions,
) -> None:
    """Draw pictures, their exact masks (OUT/truth) and their words (OUT/words.yaml)."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OptionError(f"{out} is not an empty folder; name a new one")
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    talk, names = Talk(), dict[str, None]()
    with talk.progress(options.count, "picture") as view:
        format_named("masks").write(_drawn(out / "pictures", options, names, view), out / "truth")
    words = Vocabulary(tuple(Concept(name) for name in names))
    write_whole(out / "words.yaml", words.to_yaml().encode())
    talk.say(
        f"{options.count} pictures of {len(names)} concepts; annotate them with: ovseg annotate "
        f"{out / 'pictures'} --prompts @{out / 'words.yaml'} --out {out / 'labels'}"
    )
    typer.echo(out)


def _drawn(
    folder: Path, options: ScenesOptions, names: dict[str, None], view: ProgressView
) -> Iterator[AnnotatedImage]:
    """Draw and save picture after picture; `names` collects the concepts."""
    from PIL import Image as PillowImage  # noqa: PLC0415  the list of verbs stays cheap

    for number in range(options.count):
        scene = draw_scene(options.rules, options.seed + number)
        name = f"scene-{number:04d}.png"
        PillowImage.fromarray(scene.pixels).save(folder / name)
        names.update(dict.fromkeys(region.name for region in scene.regions))
        yield _truth(scene, name)
        view.advance(name)


def _truth(scene: Scene, name: str) -> AnnotatedImage:
    regions = tuple(
        Region(region.name, (), Mask.of(scene.instances == region.label))
        for region in scene.regions
    )
    concepts = dict.fromkeys(region.name for region in scene.regions)
    words = Vocabulary(tuple(Concept(concept) for concept in concepts))
    return AnnotatedImage(name, Size(*scene.instances.shape), regions, words, None)
