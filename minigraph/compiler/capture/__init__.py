"""From a network and an example of its input to a program: one trial run, then every module by its rule."""
