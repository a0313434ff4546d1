"""What a test holds: it joins the driver, the observer and the trace."""

from __future__ import annotations

from .async_client import AsyncClient
from .client import Client
from .observing import observe
from .stream import Stream

__all__ = ["AsyncClient", "Client", "Stream", "observe"]
