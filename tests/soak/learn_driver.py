"""`ovseg learn` with an engine whose scores are known: python learn_driver.py RUN."""

from __future__ import annotations

import sys
from pathlib import Path

from vector_engine import vector_session

from ovseg_annotate.cli.learn import TeachingOptions, learn_with
from ovseg_annotate.cli.queue import DeviceOptions
from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.lessons.model_names import split_model
from ovseg_annotate.lessons.version import read_version
from ovseg_annotate.session import Session


def opener(options: SessionOptions) -> Session:
    base, file = split_model(options.model)
    session = vector_session()
    session.base_model = base
    return session if file is None else session.taught(read_version(file).lesson)


if __name__ == "__main__":
    with StopSignals() as stops:
        taught = TeachingOptions(suggest=True)
        sys.exit(learn_with(opener, Path(sys.argv[1]), taught, DeviceOptions(), stops))
