"""Headers of numpy's files: read by one thread at a time."""

import threading

HEADERS = threading.Lock()
"""Held by whoever lets numpy read a header.

numpy takes headers apart as Python, and up to Python 3.11.7 two threads that do so disturb each
other now and then: "AST constructor recursion depth mismatch" (python/cpython#106905).
"""
