from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelstudio_backend.settings import Settings, read_settings
from ovseg_annotate.errors import OptionError
from ovseg_annotate.web.addresses import is_loopback

SECRETS = {
    "LABEL_STUDIO_API_KEY": "key-8d1f",
    "BASIC_AUTH_USER": "user-77aa",
    "BASIC_AUTH_PASS": "pass-c0de",
    "WEBHOOK_TOKEN": "hook-beef",
}


def test_the_environment_is_read_and_flags_win() -> None:
    environment = {
        "LABEL_STUDIO_URL": "https://labels.example.com/studio",
        "PORT": "9091",
        "OVSEG_IMAGE_HOSTS": "images.example.com, 10.0.0.5:9000",
        "OVSEG_WORKERS": "3",
        "HOME": "/root",
    }
    settings = read_settings(environment, {"port": 9092, "workers": None})
    assert settings.label_studio_url == "https://labels.example.com/studio"
    assert settings.image_hosts == ("images.example.com", "10.0.0.5:9000")
    assert (settings.port, settings.workers) == (9092, 3)


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    empty = {"BASIC_AUTH_USER": "", "PORT": " ", "OVSEG_DATA": ""}
    assert replace(read_settings(empty, {}), data=None) == Settings()


def test_what_outlives_a_stop_lies_in_the_state_folder_of_the_user_or_where_one_says() -> None:
    usual = read_settings({"XDG_STATE_HOME": "/var/state"}, {})
    assert usual.data == Path("/var/state/ovseg-annotate/label-studio")
    assert read_settings({"OVSEG_DATA": "/srv/labels"}, {}).data == Path("/srv/labels")
    assert read_settings({"OVSEG_DATA": "/srv/labels"}, {"data": "/mnt"}).data == Path("/mnt")


def test_nothing_shows_a_secret() -> None:
    settings = read_settings(SECRETS, {})
    shown = f"{settings!r} {settings}"
    assert settings.secrets == tuple(SECRETS.values())
    assert not [secret for secret in SECRETS.values() if secret in shown]


@pytest.mark.parametrize("name", ["api_key", "basic_auth_pass", "webhook_token"])
def test_a_secret_is_no_flag_and_the_error_does_not_repeat_it(name: str) -> None:
    with pytest.raises(OptionError, match="secrets are no flags") as caught:
        read_settings({}, {name: "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "labels.example.com", ""])  # noqa: S104
def test_other_machines_are_not_served_without_a_password(host: str) -> None:
    with pytest.raises(OptionError, match="BASIC_AUTH_USER and BASIC_AUTH_PASS"):
        Settings(host=host)
    guarded = read_settings({"BASIC_AUTH_USER": "a", "BASIC_AUTH_PASS": "b"}, {"host": host})
    assert guarded.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_is_served_without_a_password(host: str) -> None:
    assert is_loopback(host)
    assert Settings(host=host).host == host


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"BASIC_AUTH_USER": "a"}, "BASIC_AUTH_PASS is missing"),
        ({"BASIC_AUTH_PASS": "a"}, "BASIC_AUTH_USER is missing"),
        ({"BASIC_AUTH_USER": "a:b", "BASIC_AUTH_PASS": "c"}, "colon"),
        ({"WEBHOOK_TOKEN": "a"}, "Start Training"),
        ({"PORT": "70000"}, "0 to 65535"),
        ({"PORT": "http"}, "expected int"),
        ({"OVSEG_WORKERS": "0"}, "at least 1"),
        ({"OVSEG_GRACE_SECONDS": "nan"}, "0 to 3600"),
        ({"LABEL_STUDIO_URL": "labels.example.com"}, "as a browser shows it"),
        ({"LABEL_STUDIO_URL": "http://user:pw@labels.example.com"}, "user name or a password"),
        ({"LABEL_STUDIO_URL": "ftp://labels.example.com"}, "http://host"),
        ({"LABEL_STUDIO_PUBLIC_URL": "http://a/?b=c"}, "leave out"),
        ({"OVSEG_IMAGE_HOSTS": "*.example.com"}, "host or host:port"),
        ({"OVSEG_IMAGE_HOSTS": "http://example.com"}, "host or host:port"),
        ({"OVSEG_IMAGE_HOSTS": "example.com/path"}, "more than a host"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(environment: dict[str, str], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        read_settings(environment, {})


def test_an_unknown_flag_lists_what_there_is() -> None:
    with pytest.raises(OptionError, match="there is: port"):
        read_settings({}, {"prot": 1})


@given(st.dictionaries(st.sampled_from([*SECRETS, "PORT", "OVSEG_QUEUE"]), st.text(max_size=20)))
def test_any_environment_gives_settings_or_an_option_error(environment: dict[str, str]) -> None:
    try:
        settings = read_settings(environment, {})
    except OptionError:
        return
    user = environment.get("BASIC_AUTH_USER", "").strip()
    assert settings.is_guarded == bool(user)
