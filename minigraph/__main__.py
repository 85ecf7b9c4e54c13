"""``python -m minigraph``: the command line, where no ``minigraph`` is on the path."""

from minigraph.cli import main

if __name__ == "__main__":
    main()
