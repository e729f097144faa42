"""Waiting for what another process does, however long it takes it within a limit."""

import time


def wait_until(holds, within_s=60):
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
