"""The command line, the only package that may import all others.

What takes seconds to load is imported inside the commands, so that --help answers at once.
"""
