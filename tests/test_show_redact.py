"""Secrets do not reach what is shown."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_lifecycle._show.diff import explain_headers
from pytest_lifecycle._show.known import NOTHING
from pytest_lifecycle._show.named import REDACTED, without_named
from pytest_lifecycle._show.redact import ACTIVE, NAMES, PARTS, SUFFIXES, Redactor
from pytest_lifecycle._trace.headers import Headers


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
        "csrfmiddlewaretoken",
        "accessToken",
        "apiKey",
        "APIKey",
        "clientSecret",
        "JWTToken",
        "X-Session-Id",
        "X-Forwarded-Authorization",
        "user[token]",
        "login.apiKey",
        "token[]",
        "token[0]",
        "user[token][]",
        "AWS_SECRET_ACCESS_KEY",
    ],
)
def test_telling_names_hide_their_values(name: str) -> None:
    assert Redactor().hides(name)


@pytest.mark.parametrize(
    "name",
    ["content-type", "tokens", "author", "sessions", "quantity", "x-request-id", "keys", "token[kind]", "monkey"],
)
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
        ("no postgres://me:hunt/er#2?@db:5432/shop", f"no postgres://{REDACTED}@db:5432/shop"),
        ("http://a.test/@me, http://a.test:80/b@c", "http://a.test/@me, http://a.test:80/b@c"),
        ("http://a.test/b:c@d and http://[::1]:80/@e", "http://a.test/b:c@d and http://[::1]:80/@e"),
        ("login(password='it\\'s', user='me')", f"login(password={REDACTED}, user='me')"),
        ("{'secret': ['a', {'b': ']'}], 'c': 1}", f"{{'secret': {REDACTED}, 'c': 1}}"),
        ('{\\"token\\": \\"a b\\", \\"c\\": 1}', f'{{\\"token\\": {REDACTED}, \\"c\\": 1}}'),
        ("{'password': 'hunt…", f"{{'password': {REDACTED}"),
        (
            "1 error\npassword\n  hunter2 is weak\nname\n  is short",
            f"1 error\npassword\n  {REDACTED}\nname\n  is short",
        ),
        (
            "[(b'host', b'a.test'), (b'x-api-key', b'hunter2'), ('cookie', \"a='1'\", 2)]",
            f"[(b'host', b'a.test'), (b'x-api-key', {REDACTED}), ('cookie', {REDACTED}, 2)]",
        ),
        (
            "<a:login><a:password kind='x'>hunter2</a:password><token><![CDATA[a<b]]></token><jwt/><name>me</name>",
            f"<a:login><a:password kind='x'>{REDACTED}</a:password><token>{REDACTED}</token><jwt/><name>me</name>",
        ),
        ("Token expired, Basic auth needed", "Token expired, Basic auth needed"),
        ("/reset/{token:str} took it", "/reset/{token:str} took it"),
    ],
)
def test_text_loses_the_secrets_that_it_names(text: str, expected: str) -> None:
    assert Redactor().text(text) == expected


def test_a_validation_message_about_a_secret_is_withheld() -> None:
    assert Redactor().issue(("body", "password"), "hunter2 is too weak") is None
    assert Redactor().issue(("body", "name"), "too long") == "too long"


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        ("hunter2x", "prefixhunter2xsuffix", f"prefix{REDACTED}suffix"),
        ("open", "open, opened, re-open", f"{REDACTED}, opened, re-{REDACTED}"),
        ("abc", "abc", "abc"),
        ("a/b c'd?ef", "/x/a%2fb%20c%27d%3fef", f"/x/{REDACTED}"),
        ("grüße an", "gr\xc3\xbc\xc3\x9fe an", REDACTED),
        ("correct horse battery", "got 'correct ho…", f"got '{REDACTED}…"),
        ("correct horse battery", "got 'correct ho...ttery'", f"got '{REDACTED}...'"),
        ("correct horse battery", "corr… corre… cor… corn…", f"{REDACTED}… {REDACTED}… cor… corn…"),
    ],
)
def test_a_known_value_is_taken_out_in_every_spelling(secret: str, text: str, expected: str) -> None:
    assert Redactor().knowing([secret]).text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 100_000, "a-" * 50_000, "://" * 30_000, "{[(" * 30_000, "token=" * 20_000, "token={" + "\\" * 100_000),
        *("token='" * 20_000, "token\n " * 20_000, " " * 100_000, "##" * 50_000, "hunter2x" * 10_000, "…" * 100_000),
        *("://a:" * 20_000, "<token>" * 15_000, "<token " * 15_000, "hunter…" * 20_000, "hunt" * 25_000 + "…"),
    ],
    ids=lambda text: text[:8],
)
def test_long_text_is_read_once(text: str) -> None:
    told = NOTHING.with_more(["hunter2x"]).out_of(without_named(text, Redactor().hides))
    assert len(told) <= len(text) * 2


def test_of_a_very_long_text_the_beginning_is_told() -> None:
    told = Redactor().text("a " + "password=hunter2 " * 100_000)
    assert told.startswith(f"a password={REDACTED} password={REDACTED} ")
    assert told.endswith("…")
    assert len(told) < 12_000


def test_the_redactor_of_a_run_is_that_of_all_its_threads() -> None:
    redactor = Redactor.configured(redact=["code"])
    before = ACTIVE.set(redactor)
    try:
        with ThreadPoolExecutor() as pool:
            assert pool.submit(ACTIVE.get).result() is redactor
    finally:
        ACTIVE.set(before)


def test_the_reference_lists_every_name() -> None:
    page = (Path(__file__).parent.parent / "docs/reference/secrets.md").read_text("utf-8")
    listed = [re.findall("`([^`]+)`", line) for line in page.splitlines() if line.startswith(("- It ", "- There "))]
    names, suffixes, (*parts,) = listed
    assert (names, suffixes, parts) == (sorted(NAMES), [*SUFFIXES], [*PARTS])


def test_headers_that_differ_are_explained_without_their_secrets() -> None:
    actual = Headers([(b"Set-Cookie", b"sid=hunter2"), (b"vary", b"a"), (b"x-a", b"1")])
    assert explain_headers(actual, {"vary": "b", "authorization": "hunter2"}) == [
        f"extra: set-cookie: '{REDACTED}'",
        "different: vary is 'a', expected 'b'",
        "extra: x-a: '1'",
        f"missing: authorization: '{REDACTED}'",
    ]
