"""The pages of docs/reference/, made from the code: `python -m tools.reference`. A test makes them, too, and compares.

What the code says of itself is taken as it is, so nothing can be forgotten: a key, command, endpoint or metric about
which it says nothing has no page, but an error. Rejected: a generator of documentation, which wants a site of its own.
"""
