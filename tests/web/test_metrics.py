from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.web.metrics import Gauge, Metrics

LINE = re.compile(
    r'# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(,[a-z]+="[^"]*")*\})? [-+.\w]+'
)


def samples(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_requests_are_counted_by_route_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 503):
        metrics.observe("/predict", status, 0.2)
    found = samples(metrics.text())
    assert found['ovseg_requests_total{route="/predict",status="200"}'] == 2
    assert found['ovseg_requests_total{route="/predict",status="503"}'] == 1


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_the_histogram_is_cumulative_and_complete(times: list[float]) -> None:
    metrics = Metrics()
    for seconds in times:
        metrics.observe("/setup", 200, seconds)
    found = samples(metrics.text())
    buckets = [(name, value) for name, value in found.items() if "_bucket" in name]
    values = [value for _, value in buckets]
    assert values == sorted(values)
    assert values[-1] == found['ovseg_request_seconds_count{route="/setup"}'] == len(times)
    for name, value in buckets:
        limit = float(name.split('le="')[1].rstrip('"}'))
        assert value == sum(seconds <= limit for seconds in times)


def test_a_gauge_without_a_value_is_left_out() -> None:
    text = Metrics(
        [
            Gauge("ovseg_queue_depth", "gauge", "Requests that wait.", lambda: 3),
            Gauge("ovseg_device_bytes", "gauge", "Memory in use.", lambda: None),
        ]
    ).text()
    assert samples(text) == {"ovseg_queue_depth": 3}
    assert "# TYPE ovseg_queue_depth gauge" in text
    assert "ovseg_device_bytes" not in text


@given(st.text(max_size=20))
def test_no_route_breaks_the_format(route: str) -> None:
    metrics = Metrics()
    metrics.observe(route, 200, 0.1)
    for line in metrics.text().removesuffix("\n").split("\n"):
        assert LINE.fullmatch(line), line
