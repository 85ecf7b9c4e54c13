"""Torch's optimisers: ``x, losses = optim.<method>(feval, x, config, state)``.

``feval(x)`` returns ``(loss, dx)``; x is changed in place and returned, with the losses in a
list. ``config`` and ``state`` are dicts with Torch's keys, or None; the state is kept in
``config`` when none is given, so that repeated calls need one of the two.
Source: https://github.com/torch/optim/blob/master/doc/algos.md
"""

from minigraph.optim.adadelta import adadelta
from minigraph.optim.adagrad import adagrad
from minigraph.optim.adam import adam, adamax
from minigraph.optim.asgd import asgd
from minigraph.optim.cg import cg
from minigraph.optim.checkgrad import checkgrad
from minigraph.optim.lbfgs import lbfgs
from minigraph.optim.lswolfe import lswolfe
from minigraph.optim.polyinterp import polyinterp
from minigraph.optim.rmsprop import rmsprop
from minigraph.optim.rprop import rprop
from minigraph.optim.sgd import nag, sgd

__all__ = [
    "adadelta", "adagrad", "adam", "adamax", "asgd", "cg", "checkgrad", "lbfgs", "lswolfe", "nag",
    "polyinterp", "rmsprop", "rprop", "sgd",
]


def __dir__() -> list[str]:
    return __all__
