"""Folders that are read without the platform: pages, tables and pictures."""
