"""An API in Django REST framework: tokens, roles, owners, throttles, routers, actions, uploads, serializers.

It needs its own settings while it is asked: `with api_settings(): ...`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from tests.apps import django_app  # it configures Django

# isort: split

from django.core.wsgi import get_wsgi_application
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path
from rest_framework import exceptions, serializers, status, viewsets
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.decorators import action, api_view, authentication_classes, permission_classes
from rest_framework.generics import ListCreateAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView, exception_handler

__all__ = ["django_app"]


class User:
    """Who asks."""

    is_active = is_authenticated = True
    is_anonymous = False

    def __init__(self, name: str, *, is_staff: bool = False) -> None:
        self.pk = self.username = name
        self.is_staff = is_staff


USERS = {"ada": User("ada"), "root": User("root", is_staff=True), "eve": User("eve")}


def logged_in(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Stand for a session: the header ``X-Session`` names its user."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "HTTP_X_SESSION" in request.META:
            request.user = USERS[request.META["HTTP_X_SESSION"]]  # type: ignore[assignment]
        return get_response(request)

    return middleware


class Token(BaseAuthentication):
    """``Authorization: Token ada``."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        scheme, _, name = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme != "Token":
            return None
        if name not in USERS:
            raise exceptions.AuthenticationFailed("no such token")
        return USERS[name], None

    def authenticate_header(self, request: Request) -> str:
        return "Token"


class ByToken:
    """Who asks is known by a token; nobody is refused for lack of one."""

    authentication_classes = (Token,)
    permission_classes: tuple[Any, ...] = ()


class IsOwner(BasePermission):
    """Lets only the owner change a book."""

    def has_object_permission(self, request: Request, view: APIView, obj: dict[str, Any]) -> bool:
        return request.method in SAFE_METHODS or obj["owner"] == request.user.username


class Twice(BaseThrottle):
    """Lets everybody in but those who say that they came often."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        return "HTTP_X_OFTEN" not in request.META

    def wait(self) -> float:
        return 7.0


# -- serializers


class AuthorSerializer(serializers.Serializer[Any]):
    """Who wrote it."""

    name = serializers.CharField(max_length=5)


class BookSerializer(serializers.Serializer[Any]):
    """A book with its authors."""

    title = serializers.CharField()
    pages = serializers.IntegerField(min_value=1)
    authors = AuthorSerializer(many=True, required=False)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if data["title"] == "Ghost" and data["pages"] > 100:
            raise serializers.ValidationError("ghost books are short", code="ghost")
        return data


class Shelf(models.Model):
    """A shelf, in no database."""

    label = models.CharField(max_length=3)

    class Meta:
        app_label = "auth"
        managed = False


class ShelfSerializer(serializers.ModelSerializer[Shelf]):
    """A shelf's fields, taken from the model."""

    class Meta:
        model = Shelf
        fields: ClassVar[list[str]] = ["label"]


class PageQuery(serializers.Serializer[Any]):
    """What a list may be asked for."""

    size = serializers.IntegerField(required=False, max_value=50)


# -- views

BOOKS = {1: {"id": 1, "title": "Emma", "pages": 400, "owner": "ada"}}


class Books(ByToken, viewsets.ViewSet):
    """Books by a router."""

    permission_classes = (IsAuthenticated, IsOwner)

    def _book(self, pk: str) -> dict[str, Any]:
        try:
            book = BOOKS[int(pk)]
        except (KeyError, ValueError):
            raise Http404 from None
        self.check_object_permissions(self.request, book)
        return book

    def list(self, request: Request) -> Response:
        query = PageQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(list(BOOKS.values()))

    def create(self, request: Request) -> Response:
        book = BookSerializer(data=request.data)
        book.is_valid(raise_exception=True)
        return Response(book.validated_data, status=status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self._book(pk))

    def update(self, request: Request, pk: str) -> Response:
        return Response(self._book(pk))

    @action(detail=True, methods=["post"], permission_classes=[IsAdminUser])
    def recall(self, request: Request, pk: str) -> Response:
        return Response("recalled")

    @action(detail=False, methods=["post"], url_path="bulk")
    def bulk(self, request: Request) -> Response:
        books = BookSerializer(data=request.data, many=True)
        if not books.is_valid():
            return Response(books.errors, status=status.HTTP_400_BAD_REQUEST)
        return Response(len(books.validated_data))


class Shelves(ByToken, ListCreateAPIView[Any]):
    """Generic views, pages and a model serializer."""

    serializer_class = ShelfSerializer
    pagination_class = PageNumberPagination

    def get_queryset(self) -> Any:
        return [Shelf(label=label) for label in ("A", "B")]

    def perform_create(self, serializer: serializers.BaseSerializer[Any]) -> None:
        """Keep nothing."""


class Upload(ByToken, APIView):
    """Takes files only."""

    parser_classes = (MultiPartParser,)

    def put(self, request: Request) -> Response:
        return Response(request.data["file"].size)


class Busy(ByToken, APIView):
    """Throttled."""

    throttle_classes = (Twice,)

    def get(self, request: Request) -> Response:
        return Response("fine")


class Either(ByToken, APIView):
    """For admins, or for whoever may not be refused."""

    permission_classes = (IsAdminUser | IsOwner,)

    def get(self, request: Request) -> Response:
        self.check_object_permissions(request, BOOKS[1])
        return Response("fine")


class Session(ByToken, APIView):
    """By the session: a post needs its token."""

    authentication_classes = (SessionAuthentication,)

    def post(self, request: Request) -> Response:
        return Response("fine")


class Strict(ByToken, APIView):
    """JSON in, JSON out."""

    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)

    def post(self, request: Request) -> Response:
        return Response(request.data)

    def get(self, request: Request) -> Response:
        kind = request.query_params.get("raise", "")
        if kind == "crash":
            raise LookupError("crash")
        if kind == "gone":
            raise exceptions.NotFound("gone")
        if kind == "denied":
            raise exceptions.PermissionDenied("no")
        if kind == "teapot":
            error = exceptions.APIException("short and stout")
            error.status_code = 418
            raise error
        return Response({"fine": True})


class Shown(ByToken, APIView):
    """For people with a browser."""

    renderer_classes = (BrowsableAPIRenderer,)

    def get(self, request: Request) -> Response:
        return Response({"fine": True})


@api_view(["GET", "POST"])
@authentication_classes([Token])
@permission_classes([IsAuthenticated])
def who(request: Request) -> Response:
    """Say who asks."""
    return Response(request.user.username)


def wrapped(error: Exception, context: dict[str, Any]) -> Response | None:
    """Put every error into an envelope."""
    response = exception_handler(error, context)
    if response is not None:
        response.data = {"error": response.data}
    return response


router = DefaultRouter()
router.register("books", Books, basename="book")

inner = [
    path("shelves/", Shelves.as_view(), name="shelves"),
    path("upload/", Upload.as_view()),
    path("busy/", Busy.as_view()),
    path("either/", Either.as_view()),
    path("session/", Session.as_view()),
    path("strict/", Strict.as_view()),
    path("shown/", Shown.as_view()),
    path("who/", who),
]
urlpatterns = [path("api/", include([path("v1/", include(inner)), path("", include(router.urls))]))]


@contextmanager
def api_settings(**more: Any) -> Iterator[Any]:
    """Give the project as a WSGI app, with the settings that it needs."""
    rest: dict[str, Any] = {
        "PAGE_SIZE": 1,
        "UNAUTHENTICATED_USER": None,
        "TEST_REQUEST_DEFAULT_FORMAT": "json",
        **more,
    }
    templates = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
    with override_settings(
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware", f"{__name__}.logged_in"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
        TEMPLATES=templates,
        STATIC_URL="/static/",
        REST_FRAMEWORK=rest,
    ):
        yield get_wsgi_application()
