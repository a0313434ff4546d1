"""The server's side of one request to a WSGI app.

Source of the rules: PEP 3333.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import IO, Any, BinaryIO, final
from urllib.parse import unquote_to_bytes

from .._observe.recorder import CURRENT
from .._trace.exchange import Exchange
from .faults import BODILESS, CONTROL, Fault, Header, as_piece, check_length, checked_headers, checked_status
from .outgoing import Outgoing
from .wsgi_input import PiecewiseInput, WholeInput, input_of

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
WsgiApp = Callable[[dict[str, Any], Callable[..., Callable[[bytes], object]]], Iterable[bytes]]


def build_environ(outgoing: Outgoing, stream: BinaryIO) -> dict[str, Any]:
    """Make the environ of a request, with its body to be read (PEP 3333, "environ Variables")."""
    root, path = _native(outgoing.root_path), unquote_to_bytes(outgoing.raw_path).decode("latin-1")
    if root and (path == root or path.startswith(root.rstrip("/") + "/")):
        path = path[len(root.rstrip("/")) :]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": outgoing.method,
        "SCRIPT_NAME": root,
        "PATH_INFO": path,
        "QUERY_STRING": outgoing.query.decode("latin-1"),
        "SERVER_NAME": outgoing.host,
        "SERVER_PORT": str(outgoing.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": outgoing.client[0],
        "REMOTE_PORT": str(outgoing.client[1]),
        "REQUEST_URI": (outgoing.raw_path + (b"?" + outgoing.query if outgoing.query else b"")).decode("latin-1"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": outgoing.scheme,
        "wsgi.input": stream,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": _file_wrapper,
    }
    for name, value in outgoing.headers:
        _add_header(environ, name.decode("latin-1"), value.decode("latin-1"))
    return environ


def _file_wrapper(file: IO[bytes], buffer_size: int = 8192) -> Iterable[bytes]:
    """Wrap a file that the app returns (PEP 3333, "Optional Platform-Specific File Handling")."""
    from werkzeug.wsgi import FileWrapper

    return FileWrapper(file, buffer_size)


def _add_header(environ: dict[str, Any], name: str, value: str) -> None:
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if key in environ and key.startswith("HTTP_"):
        separator = "; " if key == "HTTP_COOKIE" else ","
        value = f"{environ[key]}{separator}{value}"
    environ[key] = value


def _native(text: str) -> str:
    """Write text as PEP 3333 wants it: its UTF-8 bytes, one character each."""
    return text.encode("utf-8").decode("latin-1")


@final
class WsgiCall:
    """Calls an app and takes its response.

    Args:
        outgoing: The request.
        exchange: Where what the app reads and sends is noted.

    Attributes:
        status: The status; None until `start_response` was called, or where it is no status.
        headers: The response's header lines.
        faults: What the app did wrong, as sentences.
    """

    def __init__(self, outgoing: Outgoing, exchange: Exchange) -> None:
        self._method = outgoing.method
        self._exchange = exchange
        self._input: WholeInput | PiecewiseInput = input_of(outgoing.body, exchange)
        self._environ = build_environ(outgoing, self._input)
        self._written: deque[bytes] = deque()
        self._length = 0
        self._is_started = False
        self._is_sent = False
        self.status: int | None = None
        self.headers: list[Header] = []
        self.faults: list[str] = []

    @property
    def upload_error(self) -> Exception | None:
        """What the request's body raised, instead of giving a piece."""
        return self._input.error

    def pieces(self, app: WsgiApp) -> Generator[bytes]:
        """Call the app and give the pieces of its response as they come; close its iterable at the end.

        Raises:
            BaseException: Whatever the app raises.
        """
        try:
            yield from self._from(app)
        except Exception:
            yield from self._flush()  # what was written before it was sent
            raise

    def _from(self, app: WsgiApp) -> Generator[bytes]:
        result = app(self._environ, self.start_response)
        try:
            yield from self._flush()
            try:
                iterator = iter(result)
            except TypeError:
                if isinstance(result, Iterable):
                    raise  # its own __iter__ did
                self.faults.append(Fault.RETURN_TYPE.say(repr(result)[:80]))
                return
            for piece in iterator:
                yield from self._flush(self._checked(piece))
            yield from self._flush()
            self._finish()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """Take the head of the response, and give the function that writes (PEP 3333).

        Raises:
            BaseException: That of `exc_info`, where output was sent already.
        """
        if exc_info is not None:
            try:
                if self._is_sent and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a frame that holds its own traceback would never be freed
        elif self._is_started:
            self.faults.append(Fault.DOUBLE_START.say())
            return self._write
        self._is_started = True
        self._exchange.log("out", "wsgi.start_response", 0, CURRENT.get())
        if CONTROL.search(str(status)):
            self.faults.append(Fault.STATUS_UNSAFE.say(repr(status)[:80]))
        text = str(status).split(" ", 1)[0]
        is_number = text.isascii() and text.isdecimal()
        if not isinstance(status, str):
            self.faults.append(Fault.STATUS_NATIVE.say(f"{status!r:.80} as {type(status).__name__}"))
        self.status = checked_status(int(text) if is_number else status, self.faults)
        self.headers = checked_headers(headers, self.faults, as_bytes=False)
        return self._write

    def _write(self, piece: bytes) -> None:
        """Take a piece outside the iterable; the head is sent with the first (PEP 3333, "The write() Callable")."""
        self._is_sent = True
        self._written.append(as_piece(piece, self.faults))

    def _checked(self, value: Any) -> bytes:
        piece = as_piece(value, self.faults)
        if not self._is_started and piece:
            self.faults.append(Fault.NOT_STARTED.say())
        return piece

    def _flush(self, piece: bytes = b"") -> Iterator[bytes]:
        """Give what was written by `write`, then this piece; empty ones and what has no body are passed over."""
        carries = self._method != "HEAD" and self.status not in BODILESS
        while self._written or piece:
            out, piece = (self._written.popleft(), piece) if self._written else (piece, b"")
            self._length += len(out)
            self._is_sent = self._is_sent or bool(out)
            if out:
                self._exchange.log("out", "wsgi.body", len(out), CURRENT.get())
            if out and carries:
                yield out

    def _finish(self) -> None:
        if not self._is_started:
            self.faults.append(Fault.NO_RESPONSE.say())
        elif self._method != "HEAD":
            if self.status in BODILESS:
                if self._length:
                    self.faults.append(Fault.BODY_NOT_ALLOWED.say(self.status))
            else:
                check_length(self.headers, self._length, self.faults)
