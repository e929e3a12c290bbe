"""What stands in the layers, written as a file of another tool, in a worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_plugin.export_kinds import ExportKind
from napari_plugin.exports import EXPORT_FILES, export_pictures
from napari_plugin.layer_data import Origin
from napari_plugin.monitor import Monitor, Report
from napari_plugin.outlines import Drawn, label_map_of
from ovseg_annotate.region_options import RegionOptions
from ovseg_annotate.regions import AnnotatedImage, regions_of


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """The planes of a picture as they stand, accepted above suggested and corrected."""

    planes: tuple[tuple[Drawn, Origin], ...]
    kind: ExportKind
    path: Path

    def steps(self, monitor: Monitor) -> Iterator[Path]:
        """Trace, write, and give the file that was written."""
        regions = EXPORT_FILES[self.kind].regions
        pictures = []
        for number, (drawn, origin) in enumerate(self.planes, start=1):
            monitor.tell(Report("tracing for the export", number, len(self.planes)))
            pictures.append(annotated_image(drawn, origin, regions))
        yield export_pictures(pictures, self.kind, self.path)


def annotated_image(drawn: Drawn, origin: Origin, options: RegionOptions) -> AnnotatedImage:
    """One plane as the formats write it."""
    name = origin.picture
    if drawn.plane:
        stem, dot, suffix = name.rpartition(".")
        places = "-".join(str(place) for place in drawn.plane)
        name = f"{stem}-{places}.{suffix}" if dot else f"{name}-{places}"
    return AnnotatedImage(
        name=name,
        size=origin.size,
        regions=regions_of(label_map_of(drawn), options),
        vocabulary=drawn.vocabulary,
        provenance=origin.provenance,
    )
