"""Run folders: what `ovseg annotate` leaves behind, resumable and safe for people's work."""

from ovseg_annotate.run_folder.annotating import Annotator, Result, annotate_into
from ovseg_annotate.run_folder.exports import ExportReport
from ovseg_annotate.run_folder.folder import Plan, Record, RunFolder, RunReader
from ovseg_annotate.run_folder.pictures import Fingerprint, Picture, pictures_in
from ovseg_annotate.run_folder.records import PictureState, Standing
from ovseg_annotate.run_folder.settings import RunSettings, is_run_folder, picture_folders
from ovseg_annotate.run_folder.writing import write_in_pieces, write_whole

__all__ = [
    "Annotator",
    "ExportReport",
    "Fingerprint",
    "Picture",
    "PictureState",
    "Plan",
    "Record",
    "Result",
    "RunFolder",
    "RunReader",
    "RunSettings",
    "Standing",
    "annotate_into",
    "is_run_folder",
    "picture_folders",
    "pictures_in",
    "write_in_pieces",
    "write_whole",
]
