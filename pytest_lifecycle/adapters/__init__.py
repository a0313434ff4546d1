"""What each library's functions mean, one file a library, and the list of them."""

from __future__ import annotations

from .._observe.contract import Adapter
from .._observe.probe import Call, Expected, Probe, Step, handler_chain, name_of
from .._trace.declared import ANY, WEBSOCKET, Declared, DeclaredMiddleware, DeclaredRoute
from .._trace.facts import Refusal, Validation, ValidationIssue, Verdict
from .._trace.span import Kind, Span


def builtin_adapters() -> list[Adapter]:
    """Give the adapters that come with the plugin, the most general first."""
    from ._django_forms import DjangoFormsAdapter
    from ._django_templates import DjangoTemplatesAdapter
    from ._django_views import DjangoAdminAdapter, DjangoViewsAdapter
    from ._starlette_guards import AuthenticationAdapter, RequiresAdapter, TrustedHostAdapter
    from ._starlette_lifespan import StarletteLifespanAdapter
    from .asgi import AsgiAdapter
    from .bridges import bridge_adapters
    from .cattrs import AttrsAdapter, CattrsAdapter
    from .checks import check_adapters
    from .django import DjangoAdapter
    from .drf import DRFAdapter, SerializersAdapter
    from .fastapi import FastAPIAdapter
    from .flask import FlaskAdapter
    from .jinja import JinjaAdapter
    from .marshmallow import MarshmallowAdapter, WebargsAdapter
    from .msgspec import MsgspecAdapter
    from .ninja import NinjaAdapter
    from .pydantic import PydanticAdapter
    from .restful import restful_adapters
    from .starlette import StarletteAdapter
    from .threads import ThreadsAdapter
    from .uvicorn import UvicornAdapter
    from .werkzeug import WerkzeugAdapter
    from .wsgi import WsgiAdapter
    from .wtforms import WTFormsAdapter

    asgi = AsgiAdapter()
    wsgi = WsgiAdapter()
    starlette = StarletteAdapter(asgi)
    return [
        asgi,
        wsgi,
        starlette,
        StarletteLifespanAdapter(asgi),
        TrustedHostAdapter(asgi),
        AuthenticationAdapter(asgi),
        RequiresAdapter(),
        FastAPIAdapter(starlette),
        WerkzeugAdapter(wsgi),
        FlaskAdapter(wsgi),
        *restful_adapters(),
        DjangoAdapter(asgi, wsgi),
        DjangoViewsAdapter(),
        DjangoAdminAdapter(),
        DjangoFormsAdapter(),
        DjangoTemplatesAdapter(),
        DRFAdapter(),
        SerializersAdapter(),
        NinjaAdapter(),
        *check_adapters(asgi),
        JinjaAdapter(),
        PydanticAdapter(),
        MarshmallowAdapter(),
        WebargsAdapter(),
        WTFormsAdapter(),
        CattrsAdapter(),
        AttrsAdapter(),
        MsgspecAdapter(),
        ThreadsAdapter(),
        UvicornAdapter(asgi),
        *bridge_adapters(asgi, wsgi),
    ]


__all__ = [
    "ANY",
    "WEBSOCKET",
    "Adapter",
    "Call",
    "Declared",
    "DeclaredMiddleware",
    "DeclaredRoute",
    "Expected",
    "Kind",
    "Probe",
    "Refusal",
    "Span",
    "Step",
    "Validation",
    "ValidationIssue",
    "Verdict",
    "builtin_adapters",
    "handler_chain",
    "name_of",
]
