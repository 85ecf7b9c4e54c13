"""The sides that ``compiled.py`` compares: a file for each, the same problem for all."""
