"""Every route, asked well and asked badly."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from fake_engine import FakeEngine
from loopback import listening
from served import (
    TOKEN,
    Served,
    digest_of,
    options_in,
    png,
    put,
    served,
    session_of,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from waiting import wait_until

from ovseg_annotate.formats import native
from ovseg_annotate.image import image_of_bytes
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.wire.answers import annotation_of
from ovseg_annotate.wire.packets import MEDIA_TYPE, packed

WORDS = "red; blue; -green"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(FakeEngine(), tmp_path) as found:
        yield found


@pytest.fixture
def client(server: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=20) as found:
        yield found


def question(client: httpx2.Client, **changes: object) -> dict[str, object]:
    return {"image": put(client, png()), "vocabulary": WORDS, **changes}


def test_a_picture_is_uploaded_once_and_known_by_its_digest(client: httpx2.Client) -> None:
    path = f"/images/{digest_of(png())}"
    assert client.head(path).status_code == 404
    answer = client.put(path, content=png())
    assert answer.json() == {"image": digest_of(png()), "bytes": len(png())}
    assert client.head(path).status_code == 200


def test_an_upload_that_is_not_what_its_path_says_is_not_kept(client: httpx2.Client) -> None:
    path = f"/images/{digest_of(png())}"
    answer = client.put(path, content=png()[:-3])
    assert answer.status_code == 422
    assert "cut off" in answer.json()["detail"]
    assert client.head(path).status_code == 404


def test_arrays_and_polygons_are_two_forms_of_one_answer(client: httpx2.Client) -> None:
    asked = question(client, name="a/b.png")
    whole = client.post("/annotate", json=asked, headers={"Accept": MEDIA_TYPE})
    annotation = annotation_of(whole.content, "answer")
    own = session_of(FakeEngine()).annotate(image_of_bytes(png(), "png"), Vocabulary.parse(WORDS))
    assert annotation.label_map.labels.tobytes() == own.label_map.labels.tobytes()
    plain = client.post("/annotate", json=asked, headers={"Accept": "application/json"})
    record = native.to_bytes(own.annotated_image("a/b.png"), native.Kind.SUGGESTION)
    assert plain.content == record


def test_an_answer_is_compressed_for_those_who_can_read_it(client: httpx2.Client) -> None:
    asked = question(client)
    plain = client.post("/annotate", json=asked, headers={"Accept-Encoding": "identity"})
    with client.stream(
        "POST", "/annotate", json=asked, headers={"Accept-Encoding": "gzip"}
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert "Content-Encoding" not in plain.headers
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(raw) < len(plain.content)
    assert gzip.decompress(raw) == plain.content


def test_a_question_about_what_was_never_sent_says_what_is_missing(client: httpx2.Client) -> None:
    answer = client.post("/annotate", json={"image": "0" * 64, "vocabulary": WORDS})
    assert answer.status_code == 404
    assert answer.json()["missing"] == f"/images/{'0' * 64}"
    asked = question(client, examples="1" * 64)
    assert client.post("/annotate", json=asked).json()["missing"] == f"/examples/{'1' * 64}"
    asked = question(client, lesson="2" * 64)
    assert client.post("/annotate", json=asked).json()["missing"] == f"/lessons/{'2' * 64}"


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"vocabulary": ""}, 422, "no words given"),
        ({"options": {"scale": "x"}}, 422, "not understood"),
        ({"options": {"scale": "65536"}}, 422, "beyond the"),
        ({"vocabulary": ";".join(f"w{n}" for n in range(5000))}, 422, "at most 4,096"),
        ({"weights": "another"}, 409, "the question is for weights another"),
        ({"surprise": 1}, 422, "unknown field"),
        ({"image": "../../../etc/passwd"}, 422, "64 hexadecimal digits"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(
    client: httpx2.Client, changes: dict[str, object], status: int, told: str
) -> None:
    answer = client.post("/annotate", json=question(client, **changes))
    assert answer.status_code == status
    assert told in answer.json()["detail"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("data", [b"no picture", png()[:60], packed("picture", {}, {})])
def test_an_upload_that_is_no_picture_is_a_named_error(client: httpx2.Client, data: bytes) -> None:
    answer = client.post("/annotate", json={"image": put(client, data), "vocabulary": WORDS})
    assert answer.status_code == 422
    assert answer.json()["kind"] in ("ImageError", "FormatError")


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    options = options_in(tmp_path, image_bytes=4000, image_pixels=900, question_bytes=2000)
    with served(FakeEngine(), tmp_path, options) as server:
        data = png(side=64)
        answer = httpx2.put(f"{server.url}/images/{digest_of(data)}", content=data)
        assert answer.status_code == 413
        assert "--image-bytes" in answer.json()["detail"]
        with httpx2.Client(base_url=server.url) as client:
            asked = {"image": put(client, png(side=31)), "vocabulary": WORDS}
            answer = client.post("/annotate", json=asked)
            assert (answer.status_code, answer.json()["kind"]) == (422, "ImageError")
            long = client.post("/annotate", json={**asked, "vocabulary": "a" * 2000})
            assert long.status_code == 413


def test_without_its_token_nothing_but_health_is_answered(tmp_path: Path) -> None:
    with (
        served(FakeEngine(), tmp_path, token=TOKEN) as server,
        httpx2.Client(base_url=server.url) as client,
    ):
        assert client.get("/health").status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            answer = client.get("/model", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert TOKEN not in answer.text
        assert client.get("/model", headers=server.headers).status_code == 200


def test_web_pages_are_not_answered(client: httpx2.Client) -> None:
    answer = client.get("/health", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


class Held(FakeEngine):
    """Network passes wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Semaphore(0)
        self.go_on = threading.Event()

    def encode_image(self, windows: object) -> object:  # type: ignore[override]
        self.came.release()
        assert self.go_on.wait(20)
        return super().encode_image(windows)  # type: ignore[arg-type]


@pytest.fixture
def held() -> Iterator[Held]:
    engine = Held()
    yield engine
    engine.go_on.set()


Ask = Callable[[int], httpx2.Response]


def asker(url: str, name: str = "") -> Ask:
    """Asks about picture number n, with `name` and n as the id of the request."""

    def ask(number: int) -> httpx2.Response:
        with httpx2.Client(base_url=url, timeout=20) as client:
            asked = {"image": put(client, png(number)), "vocabulary": WORDS}
            headers = {"X-Request-Id": f"{name}{number}"} if name else {}
            return client.post("/annotate", json=asked, headers=headers)

    return ask


def test_a_full_queue_is_said_and_says_when_to_come_again(tmp_path: Path, held: Held) -> None:
    options = options_in(tmp_path, workers=1, queue=1)
    with served(held, tmp_path, options) as server, ThreadPoolExecutor(3) as threads:
        first = threads.submit(asker(server.url), 1)
        assert held.came.acquire(timeout=20)
        second = threads.submit(asker(server.url), 2)
        wait_until(lambda: server.house.work.depth == 1)
        refused = asker(server.url)(3)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert httpx2.get(f"{server.url}/health").status_code == 200
        held.go_on.set()
        assert [each.result().status_code for each in (first, second)] == [200, 200]


def test_one_client_may_not_take_everything(tmp_path: Path, held: Held) -> None:
    options = options_in(tmp_path, workers=1, client_requests=2)
    with served(held, tmp_path, options) as server, ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(asker(server.url), number) for number in (1, 2)]
        assert held.came.acquire(timeout=20)
        wait_until(lambda: server.house.work.depth == 1)
        with httpx2.Client(base_url=server.url) as client:
            refused = client.post("/annotate", json={"image": "0" * 64, "vocabulary": WORDS})
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        held.go_on.set()
        assert [each.result().status_code for each in asked] == [200, 200]


def test_progress_comes_as_events_and_a_job_can_be_stopped(tmp_path: Path, held: Held) -> None:
    with served(held, tmp_path) as server, ThreadPoolExecutor(1) as threads:
        asked = threads.submit(asker(server.url, "job-"), 7)
        assert held.came.acquire(timeout=20)
        with httpx2.Client(base_url=server.url, timeout=20) as client:
            with client.stream("GET", "/jobs/job-7/events") as events:
                assert events.headers["Content-Type"].startswith("text/event-stream")
                assert client.delete("/jobs/job-7").status_code == 204
                held.go_on.set()
                told = events.read().decode()
            assert told.endswith("event: end\ndata: {}\n\n")
            answer = asked.result()
            assert (answer.status_code, answer.json()["kind"]) == (409, "Cancelled")
            assert client.delete("/jobs/job-7").status_code == 404


def test_events_of_a_whole_job_count_up(tmp_path: Path, held: Held) -> None:
    with served(held, tmp_path) as server, ThreadPoolExecutor(1) as threads:
        asked = threads.submit(asker(server.url, "job-"), 7)
        assert held.came.acquire(timeout=20)
        with httpx2.stream("GET", f"{server.url}/jobs/job-7/events", timeout=20) as events:
            held.go_on.set()
            told = events.read().decode()
        assert asked.result().status_code == 200
    steps = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: ")]
    assert steps[-1] == {}
    assert steps[-2] == {"stage": "pixels", "done": 1, "total": 1}


def test_a_job_that_waits_leaves_the_queue_when_it_is_stopped(tmp_path: Path, held: Held) -> None:
    with (
        served(held, tmp_path, options_in(tmp_path, workers=1)) as server,
        ThreadPoolExecutor(2) as threads,
    ):
        threads.submit(asker(server.url), 1)
        assert held.came.acquire(timeout=20)
        waiting = threads.submit(asker(server.url, "w"), 2)
        wait_until(lambda: server.house.work.depth == 1)
        assert httpx2.delete(f"{server.url}/jobs/w2").status_code == 204
        assert waiting.result().status_code == 409
        assert server.house.work.depth == 0
        held.go_on.set()


def test_two_requests_at_a_time_cannot_share_an_id(tmp_path: Path, held: Held) -> None:
    with served(held, tmp_path) as server, ThreadPoolExecutor(1) as threads:
        first = threads.submit(asker(server.url, "same-"), 1)
        assert held.came.acquire(timeout=20)
        second = asker(server.url, "same-")(1)
        assert second.status_code == 409
        held.go_on.set()
        assert first.result().status_code == 200


def test_the_work_of_a_client_that_left_is_stopped(tmp_path: Path, held: Held) -> None:
    with served(held, tmp_path) as server:
        with httpx2.Client(base_url=server.url, timeout=0.5) as client:
            asked = {"image": put(client, png(side=300)), "vocabulary": WORDS}
            with pytest.raises(httpx2.ReadTimeout):
                client.post("/annotate", json={**asked, "options": {"scale": "4x"}})
        wait_until(lambda: 'status="499"' in server.house.metrics.text())
        held.go_on.set()
        wait_until(lambda: server.house.work.in_work == 0)
        assert len(held.batches) == 1  # the pass that was in work


def test_pictures_in_given_folders_can_be_named(tmp_path: Path) -> None:
    folder, secret = tmp_path / "given", tmp_path / "secret.png"
    folder.mkdir()
    for path in (folder / "a.png", secret):
        path.write_bytes(png())
    (folder / "link.png").symlink_to(secret)
    with (
        served(FakeEngine(), tmp_path, options_in(tmp_path, folder=(str(folder),))) as server,
        httpx2.Client(base_url=server.url) as client,
    ):
        taken = client.post("/images", json={"reference": str(folder / "a.png")})
        assert taken.json() == {"image": digest_of(png()), "bytes": len(png())}
        refused = [
            client.post("/images", json={"reference": str(reference)})
            for reference in (
                secret, folder / "../secret.png", folder / "link.png", folder / "none.png",
                folder, "/dev/zero", "/etc/passwd", "a\0b", "file:///etc/passwd",
            )
        ]  # fmt: skip
    assert {answer.status_code for answer in refused} == {403}


def test_pictures_of_allowed_servers_can_be_named(tmp_path: Path) -> None:
    asked: list[str] = []

    async def picture(request: Request) -> Response:
        asked.append(request.url.path)
        if request.url.path == "/elsewhere":
            return RedirectResponse("/a.png")
        return Response(png(), media_type="image/png")

    pictures = Starlette(routes=[Route("/{name}", picture)])
    with listening(pictures) as there, listening(pictures) as other:
        allowed = options_in(tmp_path, image_hosts=(there.removeprefix("http://"),))
        with (
            served(FakeEngine(), tmp_path, allowed) as server,
            httpx2.Client(base_url=server.url) as client,
        ):

            def named(reference: str) -> int:
                return client.post("/images", json={"reference": reference}).status_code

            assert named(f"{there}/a.png") == 201
            assert named(f"{there}/elsewhere") == 403
            assert asked == ["/a.png", "/elsewhere"]
            assert named(f"{other}/a.png") == 403
            assert named(f"http://user:word@{there.removeprefix('http://')}/a.png") == 403
            assert named("s3://bucket/a.png") == 403
    assert asked == ["/a.png", "/elsewhere"]


def test_metrics_name_routes_and_no_digests(client: httpx2.Client) -> None:
    client.post("/annotate", json=question(client))
    client.get("/made-up")
    text = client.get("/metrics").text
    assert 'route="/images/{digest}",status="201"' in text
    assert 'route="other",status="404"' in text
    assert digest_of(png()) not in text
    assert "made-up" not in text
