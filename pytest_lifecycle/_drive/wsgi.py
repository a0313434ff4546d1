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
from .._trace.faults import BODILESS, Fault, Header, as_piece, check_length
from .._trace.wsgi_answer import fault_of_result, read_head, second_start
from .outgoing import Outgoing
from .wsgi_input import PiecewiseInput, WholeInput, input_of

__tracebackhide__ = True  # pytest shows the frames of tests and apps, and not these

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


def raised_by_app(error: BaseException) -> BaseException:
    """Give what the app raised: a `StopIteration` leaves `WsgiCall.pieces` as the cause of another one (PEP 479)."""
    cause, trace = error.__cause__, error.__traceback__
    if not isinstance(error, RuntimeError) or not isinstance(cause, StopIteration):
        return error
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    is_ours = trace is not None and trace.tb_frame.f_code in (WsgiCall.pieces.__code__, WsgiCall._from.__code__)
    return cause if is_ours else error


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
        is_cut: Whether a piece came too late, so that the rest was not taken.
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
        self._is_ended = False
        self.status: int | None = None
        self.headers: list[Header] = []
        self.faults: list[str] = []
        self.is_cut = False

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

    def collect(self, app: WsgiApp, body: list[bytes], is_too_late: Callable[[], bool]) -> BaseException | None:
        """Call the app and take the pieces of its response, until one comes too late; give what the app raised."""
        pieces = self.pieces(app)
        try:
            for piece in pieces:
                body.append(piece)
                if is_too_late():
                    pieces.close()
                    self.is_cut = True
        except BaseException as error:
            return raised_by_app(error)
        return None

    def _from(self, app: WsgiApp) -> Generator[bytes]:
        result = app(self._environ, self.start_response)
        try:
            yield from self._flush()
            iterator = self._pieces_of(result)
            for piece in iterator:
                yield from self._flush(self._checked(piece))
            yield from self._flush()
            self._finish()
            self._is_ended = True
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _pieces_of(self, result: Any) -> Iterator[Any]:
        fault = fault_of_result(result)
        if fault is None:
            return iter(result)
        self.faults.append(fault)
        if isinstance(result, str):
            result = result.encode("utf-8", "replace")
        return iter([result] if isinstance(result, bytes) else ())

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
            self.faults.append(second_start(CURRENT.get()))
            return self._write
        self._is_started = True
        step = CURRENT.get()
        self._exchange.log("out", "wsgi.start_response", 0, step)
        self.status, self.headers, faults = read_head(status, headers, step)
        self.faults += faults
        return self._write

    def _write(self, piece: bytes) -> None:
        """Take a piece outside the iterable; the head is sent with the first (PEP 3333, "The write() Callable")."""
        if self._is_ended:
            self.faults.append(Fault.BODY_AFTER_END.say("a piece by write()"))
            return
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
