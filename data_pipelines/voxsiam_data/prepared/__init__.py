"""Prepared sets: made by Ray Data, opened, streamed, shared."""
