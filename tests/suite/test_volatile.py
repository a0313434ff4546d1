"""What differs from run to run in a path is put down as what it is; what does not stays."""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64encode
from datetime import datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_lifecycle._suite.volatile import normalised


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/orders/42/lines/7", "/orders/{int}/lines/{int}"),
        ("/balance/-5", "/balance/{int}"),
        ("/at/52.37/4.9", "/at/{float}/{float}"),
        ("/api/v1/oauth2/users", "/api/v1/oauth2/users"),
        ("/reports/report-2024-01-05.pdf", "/reports/report-{date}.pdf"),
        ("/events/2024-01-05T10:11:12Z", "/events/{datetime}"),
        ("/events/2024-01-05T10%3A11%3A12.123456%2B00%3A00", "/events/{datetime}"),
        ("/carts/3f2504e0-4f89-11d3-9a0c-0305e82c3301/", "/carts/{uuid}/"),
        ("/commits/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/commits/{hash}"),
        ("/objects/507f1f77bcf86cd799439011", "/objects/{hash}"),
        ("/static/app.507f1f77bcf86cd799439011.js", "/static/app.{hash}.js"),
        ("/posts/1234567890123456789", "/posts/{int}"),
        ("/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/runs/{token}"),
        ("/verify/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP", "/verify/{token}"),
        ("/users/user-17/avatar_3.png", "/users/user-{int}/avatar_{int}.png"),
        ("/articles/how-we-write-tests-for-the-web", "/articles/how-we-write-tests-for-the-web"),
        ("/articles/TheQuickBrownFoxJumpsOver", "/articles/TheQuickBrownFoxJumpsOver"),
        ("/static/deadbeefdeadbeefface", "/static/deadbeefdeadbeefface"),
        ("/orders/[redacted]", "/orders/[redacted]"),
        ("/caf%C3%A9/12", "/caf%C3%A9/{int}"),
    ],
)
def test_a_path_is_normalised(path: str, expected: str) -> None:
    assert normalised(path) == expected
    assert normalised(expected) == expected


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.integers(), st.uuids(), st.datetimes(min_value=datetime(1000, 1, 1)), st.binary(min_size=32, max_size=32))
def test_any_id_of_a_kind_is_the_same(number: int, identity: uuid.UUID, moment: datetime, noise: bytes) -> None:
    path = f"/{number}/{identity}/{moment.date()}/{moment.isoformat()}/a{noise.hex()}1"
    assert normalised(path) == "/{int}/{uuid}/{date}/{datetime}/{hash}"


def test_random_tokens_are_the_same() -> None:
    random = Random(7)
    tokens = [urlsafe_b64encode(random.randbytes(32)).decode().rstrip("=") for _ in range(500)]
    assert {normalised(f"/verify/{token}") for token in tokens} == {"/verify/{token}"}
