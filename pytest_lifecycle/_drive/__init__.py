"""Runs an app in-process the way a server does. Nothing here knows a framework or the observer."""
