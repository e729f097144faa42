"""Overlap and surface distances."""
