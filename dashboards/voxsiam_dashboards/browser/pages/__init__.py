"""One module for each view: its content, and its tables for downloads."""
