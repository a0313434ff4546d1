"""Django REST framework where a project goes its own way: made-up checks, overridden methods, errors of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.apps import drf_app  # before REST framework, which asks for Django's settings

# isort: split
import pytest
from django.core.wsgi import get_wsgi_application
from django.test import override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from pytest_lifecycle import Client, observe


class No(BasePermission):
    """Lets nobody in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False


class Yes(BasePermission):
    """Lets everybody in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return True


class Raises(BasePermission):
    """Says no by raising."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        raise exceptions.PermissionDenied("no")


class Inherits(No):
    """Asks the class that it inherits from: that is one check, not two."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view)


class Never(BaseThrottle):
    """Too often, always."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        return False

    def wait(self) -> float:
        return 3.0


class Number(serializers.Serializer[Any]):
    """A number."""

    n = serializers.IntegerField()


class View(drf_app.ByToken, APIView):
    """What all of these do."""

    def get(self, request: Request) -> Response:
        return Response("fine")


class Chooses(View):
    """Makes its permissions for each request."""

    def get_permissions(self) -> list[BasePermission]:
        return [Yes(), No()]


class Checks(View):
    """Checks in a way of its own."""

    def check_permissions(self, request: Request) -> None:
        raise exceptions.PermissionDenied("own")


class Handles(View):
    """Answers whatever went wrong itself."""

    permission_classes = (No,)

    def handle_exception(self, exc: Exception) -> Response:
        return Response({"wrong": str(exc)}, status=400)


class Refuses(View):
    """Finds the data wrong itself."""

    def post(self, request: Request) -> Response:
        raise serializers.ValidationError({"n": ["no such number"]})


class RaisesAnew(View):
    """Raises what its serializer had found."""

    def post(self, request: Request) -> Response:
        number = Number(data=request.data)
        if not number.is_valid():
            raise exceptions.ValidationError(number.errors)
        return Response("fine")


class Pardons(View):
    """Answers an error with 200."""

    def get_exception_handler(self) -> Any:
        return lambda error, context: Response({"error": str(error)})

    def post(self, request: Request) -> Response:
        Number(data=request.data).is_valid(raise_exception=True)
        return Response("fine")


class Twice(View):
    """Validates two things."""

    def post(self, request: Request) -> Response:
        Number(data=request.data).is_valid(raise_exception=True)
        Number(data={"n": "x"}).is_valid(raise_exception=True)
        return Response("fine")


def checked(*permissions: Any, **attributes: Any) -> Any:
    return type("Checked", (View,), {"permission_classes": permissions, **attributes}).as_view()


class Cached(View):
    """Cached by its method, and once more around the view."""

    @method_decorator(never_cache)
    def get(self, request: Request) -> Response:
        return Response("fine")


urlpatterns = [
    path("exempt/", csrf_exempt(View.as_view())),
    path("cached/", never_cache(Cached.as_view())),
    path("or/", checked(No | Inherits)),
    path("and/", checked(Yes & No)),
    path("not/", checked(~Yes)),
    path("raises/", checked(Raises)),
    path("inherits/", checked(Inherits)),
    path("often/", checked(throttle_classes=(Never,))),
    path("chooses/", Chooses.as_view()),
    path("checks/", Checks.as_view()),
    path("handles/", Handles.as_view()),
    path("refuses/", Refuses.as_view()),
    path("anew/", RaisesAnew.as_view()),
    path("pardons/", Pardons.as_view()),
    path("twice/", Twice.as_view()),
]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with drf_app.api_settings(), override_settings(ROOT_URLCONF=__name__), Client(get_wsgi_application()) as client:
        yield client


UNKNOWN = ("rejected", "authentication")
REFUSED = [
    ("or", 401, (*UNKNOWN, "No | Inherits"), ["Token", "No", "Inherits"]),
    ("and", 401, (*UNKNOWN, "No"), ["Token", "Yes", "No"]),
    ("not", 401, (*UNKNOWN, "~Yes"), ["Token", "Yes"]),
    ("raises", 403, ("rejected", "permission", "Raises"), ["Token", "Raises"]),
    ("inherits", 401, (*UNKNOWN, "Inherits"), ["Token", "Inherits"]),
    ("often", 429, ("rejected", "throttle", "Never"), ["Token", "Never"]),
    ("chooses", 401, (*UNKNOWN, "No"), ["Token", "Yes", "No"]),
    ("checks", 403, ("rejected", "permission", "Checks.check_permissions"), ["Token", "Checks.check_permissions"]),
    ("handles", 400, (*UNKNOWN, "No"), ["Token", "No"]),
]


@pytest.mark.parametrize(("name", "status", "refused", "dependencies"), REFUSED)
def test_a_check_of_the_project_s_own_is_who_refused(
    client: Client, name: str, status: int, refused: tuple[str, str, str], dependencies: list[str]
) -> None:
    trace = client.get(f"/{name}/")
    assert (trace.status, trace.handler) == (status, None)
    assert (trace.outcome, trace.refusal, trace.refused_by) == refused
    assert trace.dependencies == dependencies
    assert len(trace.exceptions) == 1
    assert trace.warnings == []


def test_an_error_that_the_view_finds_itself_is_a_validation(client: Client) -> None:
    trace = client.post("/refuses/", json={})
    assert (trace.status, trace.outcome, trace.refusal, trace.refused_by) == (
        400,
        "invalid",
        "validation",
        "Refuses.post",
    )
    assert [(issue.loc, issue.message) for issue in trace.validation_errors] == [(("n",), "no such number")]


def test_errors_that_are_raised_anew_are_one_validation(client: Client) -> None:
    trace = client.post("/anew/", json={"n": "x"})
    assert (trace.outcome, trace.refused_by, len(trace.spans("validation"))) == ("invalid", "Number", 1)
    assert [(issue.loc, issue.input) for issue in trace.validation_errors] == [(("n",), "'x'")]


def test_an_exception_handler_that_answers_200_leaves_the_refusal_as_it_was(client: Client) -> None:
    trace = client.post("/pardons/", json={"n": "x"})
    assert (trace.status, trace.outcome, trace.refusal, trace.refused_by) == (200, "handled", "validation", "Number")


def test_the_second_of_two_validations_refused(client: Client) -> None:
    trace = client.post("/twice/", json={"n": 1})
    assert trace.path[-4:] == ["handler Twice.post", "validation passed", "validation failed", "response 400"]
    assert [issue.loc for issue in trace.validation_errors] == [("n",)]


def test_whom_a_test_vouches_for_is_not_anonymous() -> None:
    api = APIClient()
    with drf_app.api_settings(), override_settings(ROOT_URLCONF=(path("open/", checked(Yes)),)), observe() as traces:
        api.get("/open/")
        api.force_authenticate(drf_app.USERS["ada"])
        api.get("/open/")
    assert [(trace.status, trace.is_anonymous) for trace in traces] == [(200, True), (200, False)]


def test_a_format_that_nobody_renders_is_not_found(client: Client) -> None:
    trace = client.get("/often/?format=xml")
    assert (trace.status, trace.refusal) == (404, "not_found")


def test_a_decorator_of_the_project_s_own_stands_once_though_the_framework_has_the_same(client: Client) -> None:
    steps = [step for step in client.get("/exempt/").path if step.startswith("decorator")]
    assert steps == ["decorator csrf_exempt"]


def test_a_decorator_stands_once_where_it_is_written_once(client: Client) -> None:
    trace = client.get("/cached/")
    assert [step for step in trace.path if not step.startswith(("middleware", "route"))] == [
        "decorator never_cache",
        "dependency Token",
        "decorator never_cache",
        "handler Cached.get",
        "response 200",
    ]
