"""A whole fine-tuning of the small project: python kill_driver.py PROJECT MODEL."""

from __future__ import annotations

import sys
from pathlib import Path

from fine_tuning.tuning_desk import answered, fine_tune, session_of

from ovseg_annotate.learning_loop.project import Project

if __name__ == "__main__":
    with Project(Path(sys.argv[1])) as project:
        answered(project)
        fine_tune(project, session_of(sys.argv[2]))
