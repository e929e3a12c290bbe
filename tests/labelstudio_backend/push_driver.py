"""A push in a process of its own, so that it can be killed: python push_driver.py URL JOURNAL."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fake_label_studio import PROJECT

from labelstudio_backend.journal import Journal
from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.push import Push, PushOptions
from labelstudio_backend.rest import RestClient
from labelstudio_backend.tokens import Tokens
from labelstudio_backend.wire import Prediction, Task
from ovseg_annotate.web.retries import Patience

VERSION = "fake-1"


def suggestion(task: Task) -> Prediction:
    square = {"points": [[1, 1], [50, 1], [50, 50]], "closed": True, "polygonlabels": ["red"]}
    item = {"id": f"{task.id}", "from_name": "poly", "to_name": "image", "value": square}
    return Prediction((item,), 0.5, VERSION)


def main(url: str, journal: str) -> None:
    patience = Patience(first_wait=0.01, longest_wait=0.05)
    client = RestClient(url, Tokens(url, "a-plain-token"), patience)
    with Journal(Path(journal)) as opened:
        push = Push(
            LabelStudio(client), opened, suggestion, VERSION, PushOptions(PROJECT, at_once=8)
        )
        for outcome in push.run(lambda: False):
            sys.stdout.write(json.dumps([outcome.task, outcome.pushed]) + "\n")
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
