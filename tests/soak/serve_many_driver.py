"""Serves many requests of every kind and tells what it holds: REQUESTS."""

from __future__ import annotations

import random
import sys

import httpx2
import torch
from loopback import listening
from scripted_backend import Loaded
from soak.growth import held, tell
from suggesting import EVERY_CONTROL, Backend, batch, interactive, picture, typed

from labelstudio_backend.answers import Answers
from labelstudio_backend.app import create_app
from labelstudio_backend.settings import Settings
from labelstudio_backend.webhooks import NotLearning

EVERY = 20
SIZES = ((32, 40), (64, 96), (96, 64), (120, 200), (33, 41))


def pictures() -> dict[str, bytes]:
    where = (slice(4, 24), slice(4, 24))
    return {
        f"{number}": picture({"red": where, "blue": (slice(8, 30), slice(26, 32))}, size)
        for number, size in enumerate(SIZES * 8)
    }


def body(chance: random.Random) -> object:
    names = [str(chance.randrange(len(SIZES) * 8)) for _ in range(chance.choice((1, 1, 4)))]
    return chance.choice(
        (
            batch(EVERY_CONTROL, *names),
            batch(EVERY_CONTROL, *names, project=f"{chance.randrange(50)}.17"),
            interactive(EVERY_CONTROL, names[0], typed(chance.choice(("red", "blue")))),
            batch("<View/>", *names),
            {"tasks": "none"},
        )
    )


def main(requests: int) -> None:
    torch.set_num_threads(1)
    chance = random.Random(requests)  # noqa: S311
    backend = Backend(files=pictures(), answers=Answers(limit=2**16))
    app = create_app(Settings(workers=2), backend.suggester, Loaded(), NotLearning())
    with listening(app) as url, httpx2.Client(base_url=url, timeout=60) as client:
        for number in range(requests):
            answer = client.post("/predict", json=body(chance))
            assert answer.status_code in (200, 422), answer.text
            if number % EVERY == 0:
                tell(held())


if __name__ == "__main__":
    main(int(sys.argv[1]))
