"""What is still being imported: a library is not looked at before all of it is there."""

from __future__ import annotations

import sys
from collections.abc import Collection
from importlib.machinery import ModuleSpec


def package_of(module: str) -> str:
    """Give the package that a module is in; empty for no module."""
    return module.partition(".")[0]


def initializing_in(packages: Collection[str]) -> dict[str, ModuleSpec]:
    """Give what is still being imported of these packages, the package itself first: a probe may need all of it."""
    found: dict[str, ModuleSpec] = {}
    for name, module in list(sys.modules.items()):
        package = package_of(name)
        if package and package in packages and package not in found:
            spec = getattr(module, "__spec__", None)
            if spec is not None and is_initializing(spec):
                found[package] = spec
    return found


def is_initializing(spec: ModuleSpec) -> bool:
    """Whether the module of this spec is still being imported."""
    return bool(getattr(spec, "_initializing", False))
