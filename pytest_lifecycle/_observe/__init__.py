"""Code objects to spans: which calls are watched, and how their events become a tree.

Nothing here knows HTTP or a framework: adapters say what a function means.
"""
