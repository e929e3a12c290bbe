"""The backend with learning, on an engine whose scores are known: LABEL_STUDIO DATA PORT TASKS."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from pathlib import Path

import torch
import uvicorn
from learning_desk import PLAIN, place
from scripted_backend import Loaded
from suggesting import OpenedSession, PicturesInMemory, picture
from vector_engine import vector_session

from labelstudio_backend.answers import Answers
from labelstudio_backend.app import create_app
from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.learner import Learner
from labelstudio_backend.learning import Workshop
from labelstudio_backend.learning_door import LearningDoor, Pace
from labelstudio_backend.memory import memory_of
from labelstudio_backend.rest import RestClient
from labelstudio_backend.settings import Settings
from labelstudio_backend.suggester import Suggester
from labelstudio_backend.tokens import Tokens

LOG = "server.log"  # in DATA


def main(url: str, data: Path, port: int, tasks: int) -> None:
    torch.set_num_threads(1)
    logging.basicConfig(filename=data / LOG, level=logging.INFO)
    settings = Settings(data=data)
    sessions, memory = OpenedSession(vector_session()), memory_of(settings)
    images = PicturesInMemory(
        {f"/data/upload/3/{n}.png": picture({"green": place(n)}) for n in range(1, tasks + 1)}
    )
    suggester = Suggester(sessions, images, PLAIN, Answers(), memory)
    with closing(Tokens(url, "a-plain-token")) as tokens, closing(RestClient(url, tokens)) as rest:
        studio = LabelStudio(rest)
        workshop = Workshop(studio, suggester, sessions, images, memory, settings, PLAIN)
        door = LearningDoor(Learner(workshop, data, 2), Pace(quiet=0.02, longest=0.1))
        door.start()
        app = create_app(settings, suggester, Loaded(), door)
        uvicorn.run(app, port=port, log_config=None)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
