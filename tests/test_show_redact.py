"""Secrets do not reach what is shown."""

from __future__ import annotations

import pytest

from pytest_lifecycle._show.redact import REDACTED, Redactor


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "Set-Cookie",
        "X-API-Key",
        "x_api_key",
        "apikey",
        "access_token",
        "X-Auth-Token",
        "client-secret",
        "newPassword2",
        "PASSWORD",
        "sessionid",
        "csrftoken",
    ],
)
def test_telling_names_hide_their_values(name: str) -> None:
    assert Redactor().hides(name)


@pytest.mark.parametrize("name", ["content-type", "tokens", "author", "sessions", "quantity", "x-request-id", "keys"])
def test_other_names_do_not(name: str) -> None:
    assert not Redactor().hides(name)


def test_the_configuration_adds_names_in_any_spelling() -> None:
    redactor = Redactor.configured(redact=["Order-Code", "*_pin"])
    assert [redactor.hides(name) for name in ("order_code", "ORDER-CODE", "card-pin", "pin")] == [
        True,
        True,
        True,
        False,
    ]


def test_the_configuration_lets_names_through() -> None:
    redactor = Redactor.configured(allow=["csrf_token", "x-*"])
    assert [redactor.hides(name) for name in ("csrf-token", "x-api-key", "api-key")] == [False, False, True]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/a?q=1&access_token=s3cret&b=", f"/a?q=1&access_token={REDACTED}&b="),
        ("/a?client%2Dsecret=s3cret", f"/a?client%2Dsecret={REDACTED}"),
        ("https://me:s3cret@shop.test/a", f"https://{REDACTED}@shop.test/a"),
        ("/cb#id_token=s3cret&state=x", f"/cb#id_token={REDACTED}&state=x"),
        ("/a?token", "/a?token"),
        ("/a", "/a"),
    ],
)
def test_urls_lose_credentials_and_secret_values(url: str, expected: str) -> None:
    assert Redactor().url(url) == expected


def test_a_path_parameter_with_a_telling_name_is_hidden_in_the_url_however_it_is_quoted() -> None:
    url = Redactor().url("http://testserver/reset/a%20b/me/a", {"token": "a b", "user": "me"})
    assert url == f"http://testserver/reset/{REDACTED}/me/a"


def test_header_lines_keep_their_order_and_lose_their_secrets() -> None:
    lines = [
        ("vary", "Cookie"),
        ("set-cookie", "sid=1"),
        ("location", "/cb?code=1&token=s3cret"),
        ("set-cookie", "b=2"),
    ]
    assert Redactor().headers(lines) == [
        ("vary", "Cookie"),
        ("set-cookie", REDACTED),
        ("location", f"/cb?code=1&token={REDACTED}"),
        ("set-cookie", REDACTED),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no secret here: 42", "no secret here: 42"),
        ("password=hunter2, user=me", f"password={REDACTED}, user=me"),
        ("{'api_key': 'hunter2', 'id': 1}", f"{{'api_key': {REDACTED}, 'id': 1}}"),
        ('{"token": "hunter 2"}', f'{{"token": {REDACTED}}}'),
        ("Authorization: Bearer hunter2 refused", f"Authorization: Bearer {REDACTED} refused"),
        ("cannot reach postgres://me:hunter2@db/shop", f"cannot reach postgres://{REDACTED}@db/shop"),
    ],
)
def test_text_loses_the_secrets_that_it_names(text: str, expected: str) -> None:
    assert Redactor().text(text) == expected


def test_a_validation_message_about_a_secret_is_withheld() -> None:
    assert Redactor().issue(("body", "password"), "hunter2 is too weak") is None
    assert Redactor().issue(("body", "name"), "too long") == "too long"
