"""What a FastAPI app declares beyond what Starlette does: dependencies, and the routers that it includes.

Read from fastapi/routing.py and fastapi/dependencies/{models,utils}.py, versions 0.115 to 0.165. Since 0.137 routers
form a tree, whose branches FastAPI builds at the first request; they are read here without that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, final

from .._observe.probe import code_of, name_of
from .._trace.declared import Declared
from ._starlette_declared import Reader


@final
class FastAPIReader(Reader):
    """Reads what an app declares."""

    def included(self, route: Any, prefix: str, around: tuple[Any, ...]) -> Iterable[Declared]:
        """Read the routes of a router that is included, each with what its inclusion adds."""
        router = getattr(route, "original_router", None)
        if router is None:
            return ()
        from fastapi.dependencies.utils import get_parameterless_sub_dependant

        context = route.include_context
        added = (get_parameterless_sub_dependant(depends=given, path="") for given in context.dependencies)
        return self.parts(router.routes, prefix + context.prefix, (*around, *added))

    def dependencies(self, route: Any, around: tuple[Any, ...]) -> tuple[str, ...]:
        """Name the dependencies in the order resolved."""
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            return ()
        return tuple(_resolved([*around, *dependant.dependencies], set()))


def _resolved(dependants: Iterable[Any], seen: set[Hashable]) -> Iterator[str]:
    """Name what runs: what a dependency needs before itself, and each once that is kept for the request."""
    for dependant in dependants:
        yield from _resolved(dependant.dependencies, seen)
        key = _cache_key(dependant)
        if dependant.use_cache and key in seen:
            continue
        seen.add(key)
        if code_of(dependant.call) is not None:
            yield name_of(dependant.call)


def _cache_key(dependant: Any) -> Hashable:
    """Give what FastAPI keeps a dependency's value by; it has worked that out as it made the route."""
    from fastapi.dependencies import models

    key: Hashable = (
        dependant.cache_key if hasattr(dependant, "cache_key") else models._get_cache_key(dependant=dependant)
    )
    return key
