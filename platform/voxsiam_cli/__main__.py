"""Run the command line as a module: python -m voxsiam_cli."""

from voxsiam_cli.app import main

main()
