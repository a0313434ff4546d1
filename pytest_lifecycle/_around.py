"""What is put around the function of a test while it is called."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from ._collect import ItemTraces

Function = Callable[..., Any]


@contextmanager
def around_test(item: pytest.Item, traces: ItemTraces) -> Iterator[None]:
    """Put our own function around the test's while it is called, and take it away again.

    An async test closes its clients there: inside its own coroutine and loop, whoever runs that
    (pytest-asyncio, anyio and pytest-trio all read ``item.obj`` later than this).
    A hypothesis test forgets there what the example before it did.
    """
    holder, attribute = _place(item)
    function = getattr(holder, attribute, None)
    wrapped = _wrapped(function, traces, is_repeated=attribute == "inner_test") if callable(function) else None
    if wrapped is None:
        yield
        return
    is_inherited = holder is not item and attribute not in vars(holder)
    setattr(holder, attribute, wrapped)
    try:
        yield
    finally:
        if is_inherited:
            delattr(holder, attribute)
        else:
            setattr(holder, attribute, function)


def _place(item: pytest.Item) -> tuple[object, str]:
    """Say where the one who runs the test will look for its function."""
    handle = getattr(getattr(item, "obj", None), "hypothesis", None)
    if handle is not None:
        return handle, "inner_test"
    async_case = sys.modules.get("unittest.async_case")
    instance = getattr(item, "instance", None)
    if async_case is not None and isinstance(instance, async_case.IsolatedAsyncioTestCase):
        return instance, item.name
    return item, "obj"


def _wrapped(function: Function, traces: ItemTraces, *, is_repeated: bool) -> Function | None:
    if inspect.iscoroutinefunction(function):
        return _closing(function, traces, is_repeated)
    return _starting_over(function, traces) if is_repeated else None


def _closing(function: Callable[..., Coroutine[Any, Any, Any]], traces: ItemTraces, is_repeated: bool) -> Function:
    @functools.wraps(function)
    async def closing(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        if is_repeated:
            traces.start_over()
        try:
            return await function(*args, **kwargs)
        finally:
            for close in reversed(traces.at_end):
                await close()

    return closing


def _starting_over(function: Function, traces: ItemTraces) -> Function:
    @functools.wraps(function)
    def starting_over(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        traces.start_over()
        return function(*args, **kwargs)

    return starting_over
