"""Every route of `ovseg serve`, asked from the description that it gives of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from effort import Effort
from hostile.guard import Bounds, guarded
from hostile.openapi_fuzzer import Fuzzer, check
from served import digest_of, options_in, png, put, session_of
from starlette.testclient import TestClient
from vector_engine import VectorEngine

from ovseg_annotate.server.app import create_app
from ovseg_annotate.server.openapi import description
from ovseg_annotate.server.serving import house_of
from ovseg_annotate.web.background import BackgroundSession

PICTURE = png(1)
SIGHT = {"image": digest_of(PICTURE)}
MARKS = [{"kind": "point", "concept": "red", "x": 3, "y": 4, "positive": True}]
EXAMPLES = {
    "post /annotate": [SIGHT | {"vocabulary": "red; green; -blue"}],
    "post /text": [{"vocabulary": "red; green"}],
    "post /pick": [SIGHT | {"marks": MARKS}],
    "post /examples": [SIGHT | {"marks": MARKS}],
    "post /vector": [SIGHT],
    "post /evidence": [SIGHT | {"vocabulary": "red", "box": [0, 0, 20, 20]}],
    "post /images": [{"reference": "file:///etc/passwd"}, {"reference": "http://127.0.0.1:9/a"}],
    "put /images/{digest}": [PICTURE],
}
FUZZER = Fuzzer(description(), EXAMPLES, {"digest": digest_of(PICTURE)})
OPERATIONS = {str(each): each for each in FUZZER.operations()}


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def client(uploads: Path) -> Iterator[TestClient]:
    sessions = BackgroundSession("fake@none", lambda _: session_of(VectorEngine()), 10)
    house = house_of(options_in(uploads), sessions, (), ())
    house = replace(house, job_seconds=0.05)  # most jobs that are asked about here never come
    sessions.start()
    sessions.session()
    with TestClient(create_app(house), raise_server_exceptions=False) as found:
        put(found, PICTURE)
        yield found
    house.references.close()
    sessions.close()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.filterwarnings("ignore")  # of decoders, about damaged pictures
def test_no_request_makes_the_server_fail(
    client: TestClient, uploads: Path, operation: str, effort: Effort
) -> None:
    chance = effort.chance(operation)
    for number in effort.numbers(short=12, long=200, seconds=4):
        print(f"{operation}: request {number} of seed {effort.seed}")  # noqa: T201  when it fails
        request = FUZZER.request(OPERATIONS[operation], chance)
        with guarded(uploads, bounds=Bounds(seconds=8.0, memory=512 * 2**20)):
            response = client.send(request)
        check(OPERATIONS[operation], response)
    assert client.get("/health").status_code == 200
