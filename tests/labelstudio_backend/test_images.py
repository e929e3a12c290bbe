"""Task data chooses a picture; it never chooses who is asked, with what, or for how long."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from fake_image_host import PAT, PICTURE, FakeBucket, FakeLabelStudio
from hypothesis import given
from hypothesis import strategies as st
from loopback import listening

from labelstudio_backend.images import ImageRefused, ImageRules, ImageUnavailable, LabelStudioImages
from labelstudio_backend.tokens import TokenError, Tokens
from ovseg_annotate.web.addresses import Origin, public_address
from ovseg_annotate.web.downloads import DownloadLimits
from ovseg_annotate.web.fetched import FetchedPictures

QUICK = DownloadLimits(bytes=10**6, connect_seconds=1.0, read_seconds=0.5, total_seconds=1.0)
NOWHERE = "http://127.0.0.1:1"
METADATA = "http://169.254.169.254/latest/meta-data/"


@contextmanager
def images_of(
    url: str,
    *,
    key: str | None = PAT,
    public_url: str | None = None,
    hosts: tuple[str, ...] = (),
    kept: FetchedPictures | None = None,
    address_of: Callable[[Origin], str] = public_address,
    limits: DownloadLimits = QUICK,
) -> Iterator[LabelStudioImages]:
    tokens = Tokens(url, key)
    rules = ImageRules(url, public_url, hosts, limits)
    images = LabelStudioImages(rules, tokens, kept, address_of)
    yield images
    images.close()
    tokens.close()


@pytest.fixture
def host() -> FakeLabelStudio:
    return FakeLabelStudio()


@pytest.fixture
def url(host: FakeLabelStudio) -> Iterator[str]:
    with listening(host.app()) as address:
        yield address


@pytest.fixture
def images(url: str) -> Iterator[LabelStudioImages]:
    with images_of(url, public_url="http://labels.example.com:8080") as found:
        yield found


@pytest.mark.parametrize(
    "reference",
    [
        "/data/upload/1/good.png",
        "/data/upload/1/a b.png",
        "/data/upload/1/a%20b.png",
        "http://labels.example.com:8080/data/upload/1/good.png",
        "/data/local-files/?d=set%201/x.png",
        "http://labels.example.com:8080/data/local-files/?d=set%201/x.png",
        "s3://bucket/proxied.png",
    ],
)
def test_what_label_studio_stores_is_fetched_with_the_token(
    images: LabelStudioImages, host: FakeLabelStudio, reference: str
) -> None:
    assert images.fetch(reference, 7) == PICTURE
    assert {given for _, given in host.asked} == host.valid


def test_a_bucket_is_reached_through_the_presign_of_the_task(
    images: LabelStudioImages, host: FakeLabelStudio
) -> None:
    images.fetch("s3://bucket/proxied.png", 7)
    assert host.paths == ["/tasks/7/presign/"]


def test_a_server_below_a_path_keeps_it(host: FakeLabelStudio) -> None:
    seen: list[str] = []

    async def below(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
        if scope["type"] == "http":
            seen.append(scope["path"])
            scope = {**scope, "path": scope["path"].removeprefix("/studio")}
        await host.app()(scope, receive, send)  # type: ignore[arg-type]

    with listening(below) as root, images_of(f"{root}/studio/") as images:
        for reference in ("/data/upload/1/good.png", "/studio/data/upload/1/a b.png"):
            assert images.fetch(reference, None) == PICTURE
    assert all(path.startswith("/studio/") for path in seen)


@pytest.mark.parametrize(
    "reference",
    [
        METADATA,
        "http://localhost/data/upload/1/good.png",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "/etc/passwd",
        "../../../etc/passwd",
        "C:\\windows\\win.ini",
        "\\\\server\\share",
        "//169.254.169.254/data/upload/1/good.png",
        "/\\169.254.169.254/data/upload/x",
        "/data/upload/../../api/users/",
        "/data/upload/%2e%2e/%2e%2e/api/users/",
        "/data/upload/%252e%252e/x",
        "/data/upload/..%2f..%2fapi/users/",
        "/data/upload/",
        "/data/local-files/x",
        "/api/token/refresh/",
        "/user/login/",
        "/tasks/x/presign/?fileuri=a",
        "http://labels.example.com:8080/api/users/",
        "http://labels.example.com:8080@169.254.169.254/data/upload/1/good.png",
        "http://labels.example.com.evil.net:8080/data/upload/1/good.png",
        "https://labels.example.com:8080/data/upload/1/good.png",
        "http://labels.example.com/data/upload/1/good.png",
        "ftp://labels.example.com:8080/x.png",
        "gopher://127.0.0.1/",
        "data:image/png;base64,AAAA",
        "http://[::1]/x",
        "http://[::ffff:169.254.169.254]/x",
        "http://2852039166/x",
        "http:///x",
        "http://\x00/x",
        "good.png\r\nHost: x",
        "",
        "/" * 9000,
    ],
)
def test_anything_else_is_refused_and_nobody_is_asked(
    images: LabelStudioImages, host: FakeLabelStudio, reference: str
) -> None:
    with pytest.raises(ImageRefused):
        images.fetch(reference, 7)
    assert host.asked == []


NOBODY = LabelStudioImages(ImageRules(NOWHERE), Tokens(NOWHERE, "legacy"))


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-z0-9.@:%\\/?#\[\]-]{0,40}"))
def test_whatever_a_task_says_only_known_servers_are_asked(reference: str) -> None:
    with pytest.raises((ImageRefused, ImageUnavailable)):
        NOBODY.fetch(reference, 7)


def test_local_files_outside_the_storage_are_label_studios_to_refuse(
    images: LabelStudioImages,
) -> None:
    with pytest.raises(ImageUnavailable, match="answered 404"):
        images.fetch("/data/local-files/?d=../../../../etc/passwd", 7)


def test_a_bucket_needs_a_stored_task(images: LabelStudioImages) -> None:
    with pytest.raises(ImageRefused, match="has no id"):
        images.fetch("s3://bucket/proxied.png", None)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("endless", ImageRefused, "more than the 1,000,000 bytes"),
        ("huge", ImageRefused, "more than the 1,000,000 bytes"),
        ("silent", ImageUnavailable, "did not come"),
        ("short", ImageUnavailable, "did not come"),
        ("page", ImageUnavailable, "web page"),
        ("broken", ImageUnavailable, "answered 500"),
        ("forbidden", ImageUnavailable, "may see this project"),
        ("missing", ImageUnavailable, "answered 404"),
    ],
)
def test_a_bad_answer_is_an_error_that_says_which(
    images: LabelStudioImages, name: str, kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told) as caught:
        images.fetch(f"/data/upload/1/{name}.png", 7)
    assert "secret stuff" not in str(caught.value)


def test_a_picture_that_drips_is_given_up_in_time(url: str) -> None:
    patient = replace(QUICK, read_seconds=60.0)  # what drips is never silent for long
    told = pytest.raises(ImageUnavailable, match="had not ended")
    with images_of(url, limits=patient) as images, told as caught:
        images.fetch("/data/upload/1/slow.png", 7)
    assert "secret stuff" not in str(caught.value)


def test_an_access_token_that_expired_early_is_renewed(
    images: LabelStudioImages, host: FakeLabelStudio
) -> None:
    images.fetch("/data/upload/1/good.png", 7)
    host.valid = set()  # as after a restart with other keys
    assert images.fetch("/data/upload/1/a b.png", 7) == PICTURE
    assert host.exchanges == 2


def test_a_token_that_is_never_taken_is_tried_twice_and_no_more(
    url: str, host: FakeLabelStudio
) -> None:
    with (
        images_of(url, key="of-another-server") as images,
        pytest.raises(ImageUnavailable, match="answered 401"),
    ):
        images.fetch("/data/upload/1/good.png", 7)
    assert len(host.asked) == 2


def test_without_a_token_the_error_says_so(url: str) -> None:
    with images_of(url, key=None) as images, pytest.raises(TokenError, match="is not set"):
        images.fetch("/data/upload/1/good.png", 7)


def test_nobody_listening_is_told_without_the_query() -> None:
    with (
        images_of(NOWHERE, key="legacy") as images,
        pytest.raises(ImageUnavailable, match="/data/local-files/ did not come") as e,
    ):
        images.fetch("/data/local-files/?d=secret", 7)
    assert "secret" not in str(e.value)


@pytest.mark.parametrize(
    "target",
    [METADATA, "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]/x", "file:///etc/passwd",
     "http://10.1.2.3/x", "http://[64:ff9b::a9fe:a9fe]/x", "http://[::ffff:7f00:1]/x",
     "//169.254.169.254/latest", "http://0/x", "http://u:p@example.com/x"],
)  # fmt: skip
@pytest.mark.parametrize("reference", ["s3://bucket/private.png", "/data/upload/1/moved.png"])
def test_a_redirect_into_the_inner_network_is_not_followed(
    images: LabelStudioImages, host: FakeLabelStudio, target: str, reference: str
) -> None:
    host.redirect_to = target
    with pytest.raises(ImageRefused, match="redirects to a server that is not asked"):
        images.fetch(reference, 7)


def test_a_redirect_to_the_login_page_is_not_a_picture(images: LabelStudioImages) -> None:
    with pytest.raises(ImageUnavailable, match="redirects to /user/login/"):
        images.fetch("/data/upload/1/moved.png", 7)


def test_an_allowed_bucket_gives_the_picture_and_never_sees_the_token(
    url: str, host: FakeLabelStudio
) -> None:
    bucket = FakeBucket()
    with listening(bucket.app()) as address:
        name = address.removeprefix("http://")
        host.redirect_to = f"{address}/private.png?signature=abc"
        with images_of(url, hosts=(name,)) as images:
            assert images.fetch("s3://bucket/private.png", 7) == PICTURE
            assert images.fetch(f"{address}/direct.png", None) == PICTURE
    assert len(bucket.headers) == 2
    assert not any("authorization" in headers for headers in bucket.headers)


def test_a_public_bucket_is_asked_at_the_address_that_was_checked(
    url: str, host: FakeLabelStudio
) -> None:
    bucket = FakeBucket()
    with listening(bucket.app()) as address:
        port = address.rpartition(":")[2]
        host.redirect_to = f"http://bucket.example.com:{port}/x.png?signature=abc"
        with images_of(url, address_of=lambda _: "127.0.0.1") as images:
            assert images.fetch("s3://bucket/x.png", 7) == PICTURE
    assert bucket.headers[0]["host"] == f"bucket.example.com:{port}"
    assert "authorization" not in bucket.headers[0]


def test_an_allowed_host_may_not_redirect(url: str) -> None:
    with (
        listening(FakeBucket(redirect_to=METADATA).app()) as address,
        images_of(url, hosts=(address.removeprefix("http://"),)) as images,
        pytest.raises(ImageRefused, match="redirects are not followed"),
    ):
        images.fetch(f"{address}/x.png", 7)


def test_one_task_is_not_downloaded_twice(images: LabelStudioImages, host: FakeLabelStudio) -> None:
    for _ in range(3):
        images.fetch("/data/upload/1/good.png", 7)
    assert len(host.asked) == 1
    assert (images.kept.counts.hits, images.kept.counts.misses) == (2, 1)


def test_after_a_while_the_server_is_asked_whether_the_picture_changed(
    url: str, host: FakeLabelStudio
) -> None:
    host.etag = '"one"'
    with images_of(url, kept=FetchedPictures(fresh_seconds=0)) as images:
        first = images.fetch("/data/upload/1/good.png", 7)
        assert images.fetch("/data/upload/1/good.png", 7) is first  # 304: the same bytes
        host.etag = '"two"'
        assert images.fetch("/data/upload/1/good.png", 7) is not first
    assert host.headers[1]["if-none-match"] == '"one"'


def test_threads_that_want_one_picture_share_the_download(
    images: LabelStudioImages, host: FakeLabelStudio
) -> None:
    together = threading.Barrier(6)

    def fetched(_: int) -> bytes:
        together.wait()
        return images.fetch("/data/upload/1/good.png", 7)

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(fetched, range(6))) == {PICTURE}
    assert len(host.asked) == 1


def test_the_uri_of_a_bucket_reaches_label_studio_whole(
    images: LabelStudioImages, host: FakeLabelStudio
) -> None:
    host.redirect_to = METADATA
    with pytest.raises(ImageRefused):
        images.fetch("s3://bucket/ä b?c=d&e#f.png", 7)
    coded = base64.urlsafe_b64encode("s3://bucket/ä b?c=d&e#f.png".encode()).decode()
    assert host.queries == [{"fileuri": coded}]
