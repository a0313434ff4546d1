"""Werkzeug: responses that are called as WSGI apps, and functions that its `Request` makes an app of.

Read from werkzeug/wrappers/{request,response}.py and werkzeug/exceptions.py; 2.3 to 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from .._observe.contract import Adapter
from .._observe.probe import Call, Probe, Step, attribute_of, location_of, name_of, nested_code
from .._trace.changes import Head
from .._trace.exchange import Exchange
from .._trace.faults import BODILESS
from .._trace.span import Kind
from .wsgi import SHAPE, WsgiAdapter, leave


@final
class WerkzeugAdapter(Adapter):
    """What Werkzeug's own objects are beneath an app, whatever framework that is written with.

    Args:
        wsgi: The adapter for the layers around.
    """

    name = "werkzeug"
    distribution = "werkzeug"
    supports = ">=2.3"
    module = "werkzeug.wrappers.response"

    def __init__(self, wsgi: WsgiAdapter) -> None:
        self.wsgi = wsgi

    def probes(self) -> Iterable[Probe]:
        from werkzeug.exceptions import HTTPException
        from werkzeug.wrappers import Request, Response

        for cls in (Response, HTTPException):
            SHAPE.claim(cls.__call__, Step(Kind.RESPONSE, cls.__name__, location_of(cls), True))
        yield self.wsgi.response(Response.__call__, leaving=_responded)
        yield Probe(HTTPException.__call__, span=False)
        for code in nested_code(Request.application, "application"):
            yield Probe(code, Kind.HANDLER, name=_wrapped_name, opens=self._opens, leaving=leave)

    def _opens(self, call: Call) -> Exchange | None:
        environ, start_response = call["args"][-2:]
        return self.wsgi.open(call.parent, environ, start_response)


def _wrapped_name(call: Call) -> str:
    """Name the function that `Request.application` made an app of."""
    return name_of(call["f"])


def _responded(call: Call) -> None:
    """The response went to the server: keep its body for a client of somebody else's, if it is all there.

    A layer outside that changes bodies is known by the headers that it has to change with them.
    """
    exchange = call.exchange
    if exchange.interface != "wsgi" or not exchange.captures or exchange.responded_at is None:
        return
    bodiless = exchange.method == "HEAD" or exchange.status in BODILESS
    body = b"" if bodiless else body_of(call.owner)
    sent = {name.lower(): value.decode("latin-1") for name, value in exchange.raw_headers}
    encoding, length = sent.get(b"content-encoding"), sent.get(b"content-length")
    if body is None or encoding != call.owner.headers.get("content-encoding"):
        return
    if not bodiless and length not in (None, str(len(body))):
        return
    exchange.receive_body(body)
    exchange.captures = False


def head_of(response: object) -> Head | None:
    """Write down the head of a response, and its body where it is at hand: nothing is read from a stream."""
    from werkzeug.wrappers import Response

    if not isinstance(response, Response):
        return None
    return Head(response.status_code, list(response.headers), body_of(response))


def body_of(response: Any) -> bytes | None:
    """Give a response's body where it is at hand; None for a stream."""
    made_of = _made_of(response)
    if made_of is not None:
        body = body_of(made_of)
        is_whole = body is not None and response.headers.get("content-length") == str(len(body))
        return body if is_whole else None
    if response.direct_passthrough or not isinstance(response.response, (list, tuple)):
        return None
    pieces = response.response
    return b"".join(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces)


def _made_of(response: Any) -> Any:
    """Give the response that this one hands on.

    What is no response, such as an error, is called as an app to make one of what it answers (`Response.force_type`).
    """
    from werkzeug.wrappers import Response

    outer = _closed_with(response.response)
    inner = _closed_with(attribute_of(outer[0], "__self__")) if len(outer) == 1 else []
    found = attribute_of(inner[-1], "__self__") if inner else None
    return found if isinstance(found, Response) else None


def _closed_with(iterator: Any) -> list[Any]:
    """Give what an iterator of Werkzeug's calls as it is closed."""
    from werkzeug.wsgi import ClosingIterator

    return list(iterator._callbacks) if type(iterator) is ClosingIterator else []
