"""Passes: small pure functions from program to program, one to a file. ``pipeline.py`` has their order."""
