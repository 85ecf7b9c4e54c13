"""Gradient check of a module: every entry of its input and of its parameters, and every node by itself."""

from __future__ import annotations

from contextlib import closing
from typing import Any, Optional, Union

from minigraph import nn, random
from minigraph.debug.checked import Checked
from minigraph.debug.finite_differences import Comparison, Loss
from minigraph.debug.gradcheck_report import GradcheckReport
from minigraph.debug.local_checks import LocalChecks, Recorder
from minigraph.errors import ArgumentError
from minigraph.nesting import retold
from minigraph.tables import check_numeric


@retold
def gradcheck(
    module: Union[nn.Module, nn.Criterion],
    input: Any,
    gradOutput: Any = None,
    eps: float = 1e-6,
    tolerance: float = 1e-6,
    max_entries: Optional[int] = None,
    seed: int = 0,
) -> GradcheckReport:
    """Hold what ``module.backward`` computes against finite differences; find the node that is wrong.

    The loss is the sum of ``gradOutput * output``; without ``gradOutput`` (nested like the
    output, ``None`` for zero) fixed random numbers are taken, so that no entry escapes. For a
    criterion ``input`` is ``[prediction, target]``.
    Everything runs on a float64 clone: the module, its gradients and running statistics and
    the random stream stay as they are, and a float32 module is checked as the float64 module
    of the same parameters. Random masks are the same in every evaluation. Entries of the
    input that are integers, that only whole numbers fit (indices), or that are a criterion's
    target are listed but not differentiated. With ``max_entries`` only that many entries of
    each array are compared, drawn by ``seed``.

    Every module inside (nodes, layers of containers, time steps of an ``Unroll``) is then run by
    itself, on its own input and its own gradOutput: the gradient of each array along a random
    direction, so that all of its entries take part. An entry where the loss has a kink is told by
    the slopes on its two sides; it is counted, and does not fail. A module that meets a kink is
    checked once more a little aside, on either side.

    Returns a ``GradcheckReport``: ``.ok``, ``.blamed`` (the nodes whose own backward is wrong, in
    order of execution; the innermost where they are nested), and ``.rows`` by table path and
    parameter name, the worst first.
    Source of the method: ``nn.Jacobian`` of https://github.com/torch/nn/blob/master/doc/testing.md
    """
    if isinstance(module, nn.Criterion):
        module = nn.ModuleFromCriterion(module)
    if not isinstance(module, nn.Module):
        raise ArgumentError(
            f"gradcheck needs a module, got {type(module).__name__} (for a function of arrays use "
            "debug.gradcheck_function)"
        )
    check_numeric(input)
    comparison = Comparison(eps, tolerance, max_entries, seed)
    state = random.getRNGState()
    try:
        net, described = module.clone().double(), module._described()
        recorder = Recorder(net)
        with closing(Checked(net, input, gradOutput, state, recorder.start)) as check:
            recorder.stop()
            loss = Loss(check.evaluate)
            rows = [comparison.row(loss, each) for each in check.variables()]
            gradOutput = check.gradOutput
        if described is not module:  # a compiled network runs no modules: its own, run eagerly, are looked at
            net = described.clone().double()
            recorder = Recorder(net)
            Checked(net, input, gradOutput, state, recorder.start).close()
            recorder.stop()
        faults = LocalChecks(recorder, comparison, state).faults(net, described, rows)
        return GradcheckReport.of(rows, eps, tolerance, faults)
    finally:
        random.setRNGState(state)
