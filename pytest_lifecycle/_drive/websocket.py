"""The server's side of one WebSocket to an ASGI app.

Source of the rules: the ASGI specification, WebSocket Connection Scope, version 2.5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

from .._observe.recorder import CURRENT
from .._trace import websocket
from .._trace.answer import goes_on
from .._trace.exchange import Exchange
from .._trace.faults import Fault, Header, as_piece, checked_headers, checked_status, shown
from .asgi import BREATHER, Event, Loop, Message, build_scope
from .outgoing import Outgoing

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

HANDSHAKE = (
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"sec-websocket-version", b"13"),
)
"""What a client asks for a WebSocket with; the key is the example of RFC 6455, section 1.3."""
SCHEMES = {"http": "ws", "https": "wss"}
ANSWERS = frozenset({"websocket.accept", "websocket.close", "websocket.http.response.start"})
"""What an app may answer to a handshake."""


def websocket_scope(outgoing: Outgoing, subprotocols: Iterable[str], state: dict[str, Any] | None) -> dict[str, Any]:
    """Make the scope of a WebSocket.

    Args:
        outgoing: The handshake.
        subprotocols: The subprotocols that the client offers.
        state: As for `build_scope`.
    """
    offered = list(subprotocols)
    scope = build_scope(outgoing, state)
    names = {name for name, _ in outgoing.headers}
    added = [line for line in HANDSHAKE if line[0] not in names]
    if offered:
        added.append((b"sec-websocket-protocol", ", ".join(offered).encode("latin-1")))
    del scope["method"]
    scope.update(
        type="websocket",
        scheme=SCHEMES[outgoing.scheme],
        headers=[*outgoing.headers, *added],
        subprotocols=offered,
        extensions={"websocket.http.response": {}},
    )
    return scope


@final
class WebSocketConnection:
    """Gives an app a client's messages, and takes the app's.

    Args:
        offered: The subprotocols that the client offers.
        loop: The loop that the app runs on.
        exchange: Where its messages are noted.

    Attributes:
        status: 101 once the app has accepted; the refusal's status once it has refused; None before.
        headers: The header lines of the handshake's response.
        body: The pieces of a refusal's body.
        subprotocol: The subprotocol that the app accepted.
        arrived: The texts and data that the app sent and nobody has taken yet.
        faults: What the app did wrong, as sentences.
        is_closed: Whether the app or the client has closed it, or the app has ended.
        is_upload: False: a handshake has no body.
        upload_error: None, for the same reason.
    """

    def __init__(self, offered: Iterable[str], loop: Loop, exchange: Exchange) -> None:
        self._offered = list(offered)
        self._loop = loop
        self._exchange = exchange
        self._incoming: deque[Message] = deque([{"type": "websocket.connect"}])
        self._parting: Message | None = None
        self._wake: Event | None = None
        self._news: Event | None = None
        self._messages = 0
        self._is_left = False
        self._has_ended = False
        self._is_refusing = False
        self.status: int | None = None
        self.headers: list[Header] = []
        self.body: list[bytes] = []
        self.subprotocol: str | None = None
        self.arrived: deque[str | bytes] = deque()
        self.faults: list[str] = []
        self.is_closed = False
        self.is_upload = False
        self.upload_error: Exception | None = None

    # -- what the app calls

    async def receive(self) -> Message:
        """Give the client's next message; after the last one, say again that it has left."""
        step = CURRENT.get()
        while not self._incoming:
            if self._parting is not None:
                message = self._parting
                break
            self._wake = self._loop.event()
            await self._wake.wait()
            self._wake = None
        else:
            message = self._incoming.popleft()
        websocket.received(self._exchange, message, step)
        return message

    async def send(self, message: Message) -> None:
        """Take a message; what is wrong with it is noted, and the app goes on."""
        if not isinstance(message, Mapping):
            self.faults.append(Fault.NO_MESSAGE.say(shown(message)))
        elif not self._is_left:
            self._take(message)
        if self._news is not None:
            self._news.set()
        self._messages += 1
        if self._messages % BREATHER == 0:
            await self._loop.checkpoint()

    def _take(self, message: Message) -> None:
        kind = message.get("type")
        fault = self._fault_of(kind)
        if fault is not None:
            self.faults.append(fault.say(shown(kind) if fault is Fault.UNKNOWN_MESSAGE else kind))
            return
        websocket.sent(self._exchange, message, CURRENT.get())
        if kind == "websocket.send":
            self._deliver(message)
        elif kind == "websocket.http.response.body":
            self.body.append(as_piece(message.get("body", b""), self.faults))
            self.is_closed = not goes_on(message)
        elif kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.http.response.start":
            self._is_refusing = True
            self.status = checked_status(message.get("status"), self.faults)
            self.headers = checked_headers(message.get("headers", ()), self.faults, as_bytes=True)
        else:
            self._close(message)

    def _fault_of(self, kind: object) -> Fault | None:
        """Say what is wrong with a message of this type now."""
        if not isinstance(kind, str) or kind not in ANSWERS | {"websocket.send", "websocket.http.response.body"}:
            return Fault.UNKNOWN_MESSAGE
        if self.is_closed:
            return Fault.AFTER_CLOSE
        if self._is_refusing:
            return None if kind == "websocket.http.response.body" else Fault.DOUBLE_START
        if self.status is None:
            return None if kind in ANSWERS else Fault.BEFORE_ACCEPT
        return None if kind in ("websocket.send", "websocket.close") else Fault.DOUBLE_ACCEPT

    def _accept(self, message: Message) -> None:
        self.status = websocket.OPENED
        headers = message.get("headers")
        self.headers = checked_headers(() if headers is None else headers, self.faults, as_bytes=True)
        self.subprotocol = message.get("subprotocol")
        if self.subprotocol is not None and self.subprotocol not in self._offered:
            self.faults.append(Fault.SUBPROTOCOL.say(shown(self.subprotocol)))

    def _deliver(self, message: Message) -> None:
        text, data = message.get("text"), message.get("bytes")
        if isinstance(text, str):
            self.arrived.append(text)
        elif isinstance(data, bytes | bytearray | memoryview):
            self.arrived.append(bytes(data))
        else:
            self.faults.append(Fault.EMPTY_MESSAGE.say())

    def _close(self, message: Message) -> None:
        self.is_closed = True
        if self.status is None:
            self.status = websocket.REFUSED
        else:
            self._check_close(message.get("code", websocket.NORMAL), message.get("reason"))
        closing = self._exchange.closing
        if closing is not None:
            self._parting = self._part(closing.code, closing.reason)

    def _check_close(self, code: object, reason: object) -> None:
        """Note what cannot be sent; before the handshake is accepted neither of them is."""
        if not websocket.is_code(code):
            self.faults.append(Fault.CLOSE_CODE.say(shown(code)))
        if not isinstance(reason, str | None):
            self.faults.append(Fault.CLOSE_REASON.say(type(reason).__name__))

    def _part(self, code: int, reason: str) -> Message:
        """Give what the app receives after the last message."""
        if self._wake is not None:
            self._wake.set()
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    async def end_upload(self) -> None:
        """Do nothing; what HTTP has."""

    # -- what the client calls

    def push(self, message: Message) -> None:
        """Give the app a message of the client's."""
        self._incoming.append(message)
        if self._wake is not None:
            self._wake.set()

    def leave(self, code: int = websocket.NORMAL, reason: str = "") -> None:
        """Close it from the client's side: what the app sends from now on reaches nobody."""
        if self._parting is None:
            self._parting = self._part(code, reason)
            if not self.is_closed:
                websocket.close(self._exchange, self._parting, "client")
        self._is_left = self.is_closed = True

    def close(self, *, is_answered: bool) -> None:
        """Note what is missing once the app has returned.

        Args:
            is_answered: Whether the app returned by itself: one that raised or was cancelled is not blamed for it.
        """
        if is_answered and not self._is_left:
            if self.status is None:
                self.faults.append(Fault.NO_HANDSHAKE.say())
            elif not self.is_closed:
                self.faults.append((Fault.NO_END if self._is_refusing else Fault.NO_CLOSE).say())
        self.is_closed = self._has_ended = True
        if self._news is not None:
            self._news.set()

    @property
    def is_waiting(self) -> bool:
        """Whether the app waits for a message of the client's."""
        return self._wake is not None and not self._incoming and self._parting is None

    @property
    def is_answered(self) -> bool:
        """Whether the app has accepted or refused the handshake, or has ended."""
        return self._has_ended or (self.is_closed if self._is_refusing else self.status is not None)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so; it is looked at whenever the app has sent something or has ended."""
        while not is_so():
            self._news = self._loop.event()
            await self._news.wait()
