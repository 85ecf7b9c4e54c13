"""Random networks and random calls on them, compared in all modes and with PyTorch.

``kinds`` are random inputs and ``layers`` random layers, of which ``grower`` and ``networks`` make graphs
and time steps; ``passes`` makes calls in all modes, ``series`` draws the calls. ``formulas`` and ``losses``
say in PyTorch what layers compute, ``expected`` what follows for a whole network.
"""
