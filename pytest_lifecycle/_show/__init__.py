"""A trace as text and as plain data, for people, terminals and files.

Everything here reads finished traces. What came from a request is redacted and escaped on its way out.
"""
