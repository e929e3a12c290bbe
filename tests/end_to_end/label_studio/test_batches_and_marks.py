"""The backend before the real Label Studio: what is asked through its API.

The numbers in brackets are those of the acceptance list that this file and `test_browser` walk
through. The tests of this file tell one story and run in their order.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import shapely
from end_to_end.label_studio.house import PASSWORD, USER, HealthPolls, House, Project, health_polled
from end_to_end.label_studio.pictures import SIZE, agreement

ROOT = Path(__file__).parents[3]
ORACLE = ROOT / "tests" / "formats" / "sdk_oracle.py"
HEIGHT_AND_WIDTH = (SIZE.height, SIZE.width)
MINIMUM_IOU = 0.8  # of the bundled model on pictures it never saw
OTHER_CONFIG = """<View><Image name="photo" value="$image"/>
<BitmaskLabels name="pixels" toName="photo"><Label value="kernel" prompt="nucleus"/></BitmaskLabels>
<RectangleLabels name="frames" toName="photo"><Label value="kernel"/></RectangleLabels></View>"""
BAD_REFERENCES = [
    "/data/local-files/?d=../../../../etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "/data/upload/999/missing.png",
]

pytestmark = [pytest.mark.slow, pytest.mark.label_studio]


def plain_task(task: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": task["id"], "data": task["data"]}


def shapes(results: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    """What regions are, without what differs by intent: their ids."""
    return [(each["from_name"], each["type"], each["value"]) for each in results]


def test_it_is_alive(house: House) -> None:  # [1]
    assert httpx2.get(f"{house.backend_url}/health").json()["status"] == "UP"


@pytest.mark.parametrize("path", ["/predict", "/setup", "/webhook"])
def test_without_a_password_nothing_is_answered(house: House, path: str) -> None:  # [2] [3] [4]
    assert house.ask(path, {}, auth=None).status_code == 401


def test_a_wrong_password_is_none(house: House) -> None:  # [5]
    assert house.ask("/predict", {}, auth=(USER, PASSWORD + "?")).status_code == 401


def test_every_picture_became_a_task(project: Project) -> None:  # [6]
    names = [project.picture_of(task).name for task in project.tasks()]
    assert sorted(names) == sorted(picture.name for picture in project.pictures)


def test_label_studio_is_connected(project: Project) -> None:  # [7]
    backend = project.backend()
    assert (backend["state"], backend["error_message"]) == ("CO", None)
    assert backend["model_version"] == backend["title"] != ""


def test_connecting_again_changes_nothing(house: House, project: Project) -> None:
    before = project.backend()["title"]
    address = ["--project", str(project.number), "--backend-url", house.proxy_url]
    assert house.run("connect", *address).strip() == before
    assert len(house.studio.rest.get("/api/ml/", project=project.number).value) == 1  # type: ignore[arg-type]


def test_the_webhook_is_registered_once_with_its_secret(
    house: House, project: Project
) -> None:  # [9]
    hooks: Any = house.studio.rest.get("/api/webhooks/", project=project.number).value
    assert [hook["url"] for hook in hooks] == [f"{house.proxy_url}/webhook"]
    assert "X-Webhook-Token" in hooks[0]["headers"]


@pytest.fixture(scope="module")
def polls(house: House, project: Project) -> HealthPolls:
    with health_polled(house) as polls:
        project.retrieve()
    return polls


@pytest.fixture(scope="module")
def predictions(polls: HealthPolls, project: Project) -> list[dict[str, Any]]:
    return project.predictions()


def test_health_is_answered_while_a_batch_is_predicted(polls: HealthPolls) -> None:  # [10]
    assert polls.failures == 0
    assert max(polls.seconds) < 1.0


def test_every_task_has_one_prediction(
    predictions: list[dict[str, Any]], project: Project
) -> None:  # [11]
    assert [each["task"] for each in predictions] == [task["id"] for task in project.tasks()]


def test_the_sdk_finds_nothing_wrong(
    predictions: list[dict[str, Any]], project: Project, studio_python: Path, tmp_path: Path
) -> None:  # [12]
    plain = [
        {"result": each["result"], "score": each["score"], "model_version": each["model_version"]}
        for each in predictions
    ]
    question = tmp_path / "projects.json"
    tasks = [{"predictions": plain}]
    question.write_text(json.dumps([{"config": project.config, "tasks": tasks}]))
    done = subprocess.run(
        [str(studio_python), str(ORACLE), "validate", str(question)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == [[]]


def test_every_region_is_whole(predictions: list[dict[str, Any]], project: Project) -> None:  # [12]
    version = project.backend()["model_version"]
    for prediction in predictions:
        assert prediction["model_version"] == version
        assert 0 <= prediction["score"] <= 1
        ids = [region["id"] for region in prediction["result"]]
        assert len(set(ids)) == len(ids)
        for region in prediction["result"]:
            assert (region["original_height"], region["original_width"]) == HEIGHT_AND_WIDTH
            if region["type"] == "polygonlabels":
                points = np.array(region["value"]["points"])
                assert len(points) >= 3
                assert points.min() >= 0
                assert points.max() <= 100
            else:
                words = int.from_bytes(bytes(region["value"]["rle"][:4]), "big")
                assert words == SIZE.area * 4


def test_there_are_polygons_and_brushes(predictions: list[dict[str, Any]]) -> None:  # [13]
    kinds = {region["type"] for each in predictions for region in each["result"]}
    assert kinds == {"polygonlabels", "brushlabels"}


def test_polygons_do_not_cross_themselves(predictions: list[dict[str, Any]]) -> None:  # [14]
    for region in (region for each in predictions for region in each["result"]):
        if region["type"] == "polygonlabels":
            ring = shapely.Polygon(region["value"]["points"])
            # A bridge to a hole is walked twice: it has no area, so nothing is lost by it.
            assert ring.buffer(0).area == pytest.approx(ring.area, rel=1e-6)


def test_suggestions_agree_with_the_truth(
    predictions: list[dict[str, Any]], project: Project
) -> None:  # [15]
    agreements = [
        iou
        for task, each in zip(project.tasks(), predictions, strict=True)
        for iou in agreement(each["result"], project.picture_of(task).truth)
    ]
    assert len(agreements) == 2 * len(project.pictures)
    assert np.mean(agreements) >= MINIMUM_IOU, agreements


def test_retrieving_again_asks_and_stores_nothing(
    predictions: list[dict[str, Any]], house: House, project: Project
) -> None:  # [16]
    asked = house.proxy.count("/predict")
    project.retrieve()
    assert house.proxy.count("/predict") == asked
    assert len(project.predictions()) == len(predictions)


def typed(text: str) -> dict[str, Any]:
    value = {"value": {"text": [text]}, "from_name": "prompt", "to_name": "image"}
    return {**value, "id": "typed", "type": "textarea", "origin": "manual"}


def clicked(x: float, y: float) -> dict[str, Any]:
    return {
        "value": {"x": x, "y": y, "width": 0.3, "keypointlabels": ["nucleus"]},
        "original_width": SIZE.width,
        "original_height": SIZE.height,
        "image_rotation": 0,
        "is_positive": True,
        "id": "kp1",
        "from_name": "click",
        "to_name": "image",
        "type": "keypointlabels",
    }


def test_typed_words_give_regions_of_the_projects_labels(
    predictions: list[dict[str, Any]], project: Project
) -> None:  # [17]
    answer = project.interactive(predictions[0]["task"], typed("round nuclei"))
    labels = {
        label
        for region in answer["data"]["result"]
        for label in region["value"].get(region["type"], [])
    }
    assert "nucleus" in labels


def test_a_click_gives_the_object_under_it(
    predictions: list[dict[str, Any]], project: Project
) -> None:  # [18]
    task = project.tasks()[0]
    inside = project.picture_of(task).truth["nucleus"]
    rows, columns = np.nonzero(inside)
    middle = int(np.argmin(np.hypot(rows - np.median(rows), columns - np.median(columns))))
    x, y = columns[middle] / SIZE.width * 100, rows[middle] / SIZE.height * 100
    answer = project.interactive(task["id"], clicked(float(x), float(y)))
    (region,) = answer["data"]["result"]
    ring = shapely.Polygon(region["value"]["points"])
    assert ring.buffer(1).contains(shapely.Point(x, y))


def test_words_are_understood_right_after_a_restart(house: House, project: Project) -> None:  # [19]
    task = project.tasks()[0]["id"]
    backend = project.backend()["id"]  # listing it makes Label Studio call /setup
    house.backend.kill()
    house.backend.start()
    before = house.proxy.count("/setup")
    body = {"task": task, "context": {"result": [typed("round nuclei")]}}
    answer: Any = house.studio.rest.post(f"/api/ml/{backend}/interactive-annotating", body).value
    assert answer["data"]["result"]
    assert house.proxy.count("/setup") == before


@pytest.fixture(scope="module")
def body(project: Project) -> dict[str, Any]:
    tasks = [plain_task(task) for task in project.tasks()]
    return {"tasks": tasks, "project": "77.1", "label_config": project.config, "params": {}}


def test_projects_are_kept_apart(house: House, body: dict[str, Any]) -> None:  # [20]
    other = {**body, "project": "78.1", "label_config": OTHER_CONFIG, "tasks": body["tasks"][:1]}
    mine = {**body, "tasks": body["tasks"][:1]}
    names = []
    for question in (mine, other, mine):
        (answer,) = house.ask("/predict", question).json()["results"]
        names.append({region["from_name"] for region in answer["result"]})
    assert names == [{"polygon", "brush"}, {"pixels", "frames"}, {"polygon", "brush"}]


def test_four_at_a_time_give_what_one_after_the_other_gives(
    house: House, body: dict[str, Any]
) -> None:  # [21]
    questions = [{**body, "project": f"{80 + n}.1", "tasks": [body["tasks"][n]]} for n in range(4)]

    def answer(question: dict[str, Any]) -> list[tuple[str, str, Any]]:
        return shapes(house.ask("/predict", question).json()["results"][0]["result"])

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(answer, questions))
    assert together == [answer(question) for question in questions]


@pytest.mark.parametrize("reference", BAD_REFERENCES)
def test_a_bad_task_costs_the_good_one_nothing(
    house: House, body: dict[str, Any], reference: str
) -> None:  # [22] to [25]
    bad = {"id": 999, "data": {"image": reference}}
    answer = house.ask("/predict", {**body, "tasks": [bad, body["tasks"][0]]})
    assert answer.status_code == 200
    first, second = answer.json()["results"]
    assert first == []
    assert second["result"]
    assert not any(word in answer.text for word in ("Traceback", "root:", "127.0.0.1"))


@pytest.fixture(scope="module")
def told(house: House, project: Project, predictions: list[dict[str, Any]]) -> list[str]:
    """Make, change and delete an annotation, and start a training; the actions that came."""
    rest, before = house.studio.rest, len(house.proxy.calls)
    task, result = predictions[0]["task"], predictions[0]["result"][:1]
    made: Any = rest.post(
        f"/api/tasks/{task}/annotations/", {"result": result, "was_cancelled": False}
    ).value
    rest.patch(f"/api/annotations/{made['id']}/", {"result": predictions[0]["result"][:2]})
    rest.post(f"/api/ml/{project.backend()['id']}/train", {})
    house.studio.delete(f"/api/annotations/{made['id']}/")
    return [call.action for call in house.proxy.calls[before:] if call.path == "/webhook"]


@pytest.mark.parametrize(
    "action",
    ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "START_TRAINING", "ANNOTATIONS_DELETED"],
)
def test_a_webhook_is_taken_in_time(
    told: list[str], house: House, action: str
) -> None:  # [26] to [29]
    assert action in told
    calls = [call for call in house.proxy.calls if call.action == action]
    assert {call.status for call in calls} <= {200, 201, 202}
    assert not any(call.is_late for call in calls)


def test_versions_are_listed(house: House, project: Project) -> None:  # [31]
    backend = project.backend()
    answer: Any = house.studio.rest.get(f"/api/ml/{backend['id']}/versions").value
    assert backend["model_version"] in answer["versions"]


def test_no_answer_came_later_than_label_studio_waits(
    told: list[str], house: House
) -> None:  # [8] [30]
    late = [call for call in house.proxy.calls if call.is_late]
    assert {call.path for call in house.proxy.calls} >= {"/setup", "/predict", "/webhook"}
    assert not late
    assert {call.status for call in house.proxy.calls} <= {200, 201, 202}
