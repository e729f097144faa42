"""Waiting for what a page comes to."""

import pytest


def until(page, told):
    """Wait until a Python function says so: the page's policy forbids to poll in its own words."""
    for _ in range(2400):
        if told():
            return
        page.wait_for_timeout(25)
    pytest.fail(f"it never came to that: {page.url}")
