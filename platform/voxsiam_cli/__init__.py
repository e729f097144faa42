"""The command line: one file per noun, the only package that may import all others."""
