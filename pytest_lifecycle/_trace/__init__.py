"""What was seen of a request, as plain values.

Only the standard library is imported here, and nothing here knows how the values were observed.
"""
