"""The adapters that come with the plugin: those for a framework are loaded once that has been imported."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, final

from .._observe.contract import Adapter, Later
from .asgi import AsgiAdapter
from .bridges import bridge_adapters
from .cattrs import AttrsAdapter, CattrsAdapter
from .checks import check_adapters
from .jinja import JinjaAdapter
from .marshmallow import MarshmallowAdapter, WebargsAdapter
from .msgspec import MsgspecAdapter
from .pydantic import PydanticAdapter
from .threads import ThreadsAdapter
from .uvicorn import UvicornAdapter
from .wsgi import WsgiAdapter
from .wtforms import WTFormsAdapter

if TYPE_CHECKING:
    from .starlette import StarletteAdapter


@final
class Builtin:
    """The adapters, which share those for the layers of any app."""

    def __init__(self) -> None:
        self._asgi, self._wsgi = AsgiAdapter(), WsgiAdapter()

    def adapters(self) -> list[Adapter]:
        """Give them, the most general first."""
        return [
            self._asgi,
            self._wsgi,
            Later("starlette", self._for_starlette),
            Later("fastapi", self._for_fastapi),
            Later("werkzeug", self._for_werkzeug),
            Later("flask", self._for_flask),
            Later("django", self._for_django),
            Later("rest_framework", self._for_rest_framework),
            Later("ninja", self._for_ninja),
            *check_adapters(self._asgi),
            JinjaAdapter(),
            PydanticAdapter(),
            MarshmallowAdapter(),
            WebargsAdapter(),
            WTFormsAdapter(),
            CattrsAdapter(),
            AttrsAdapter(),
            MsgspecAdapter(),
            ThreadsAdapter(),
            UvicornAdapter(self._asgi),
            *bridge_adapters(self._asgi, self._wsgi),
        ]

    @cached_property
    def _starlette(self) -> StarletteAdapter:
        from .starlette import StarletteAdapter

        return StarletteAdapter(self._asgi)

    def _for_starlette(self) -> list[Adapter]:
        from ._starlette_guards import AuthenticationAdapter, RequiresAdapter, TrustedHostAdapter
        from ._starlette_lifespan import StarletteLifespanAdapter

        return [
            self._starlette,
            StarletteLifespanAdapter(self._asgi),
            TrustedHostAdapter(self._asgi),
            AuthenticationAdapter(self._asgi),
            RequiresAdapter(),
        ]

    def _for_fastapi(self) -> list[Adapter]:
        from .fastapi import FastAPIAdapter

        return [FastAPIAdapter(self._starlette)]

    def _for_werkzeug(self) -> list[Adapter]:
        from .werkzeug import WerkzeugAdapter

        return [WerkzeugAdapter(self._wsgi)]

    def _for_flask(self) -> list[Adapter]:
        from .flask import FlaskAdapter
        from .restful import restful_adapters

        return [FlaskAdapter(self._wsgi), *restful_adapters()]

    def _for_django(self) -> list[Adapter]:
        from ._django_forms import DjangoFormsAdapter
        from ._django_templates import DjangoTemplatesAdapter
        from ._django_views import DjangoAdminAdapter, DjangoViewsAdapter
        from .django import DjangoAdapter

        return [
            DjangoAdapter(self._asgi, self._wsgi),
            DjangoViewsAdapter(),
            DjangoAdminAdapter(),
            DjangoFormsAdapter(),
            DjangoTemplatesAdapter(),
        ]

    def _for_rest_framework(self) -> list[Adapter]:
        from .drf import DRFAdapter, SerializersAdapter

        return [DRFAdapter(), SerializersAdapter()]

    def _for_ninja(self) -> list[Adapter]:
        from .ninja import NinjaAdapter

        return [NinjaAdapter()]
