"""Layers that convert the type or the layout of a tensor: Copy, Convert."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from minigraph.errors import ArgumentError, InputError, format_shape
from minigraph.nn.module import Module
from minigraph.tables import as_numeric
from minigraph.tensors import TENSOR_TYPES, getdefaulttensortype, resize


class Copy(Module):
    """Copy a tensor of type ``intype`` to ``outtype``, and its gradient back.

    Both default to the default tensor type. Where they are the same the input is passed on
    as it is, unless ``forceCopy``. ``dontCast`` keeps both when the network's type changes.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Copy
    """

    intype: Optional[str] = None

    def __init__(
        self,
        intype: Optional[str] = None,
        outtype: Optional[str] = None,
        forceCopy: bool = False,
        dontCast: bool = False,
    ) -> None:
        super().__init__()
        intype = intype or getdefaulttensortype()
        outtype = outtype or getdefaulttensortype()
        for name in (intype, outtype):
            if name not in TENSOR_TYPES:
                raise ArgumentError(f"nn.Copy: {name!r} is none of {', '.join(TENSOR_TYPES)}")
        self.dontCast = bool(dontCast)
        self.passes = not forceCopy and intype == outtype
        self.intype, self.outtype = intype, outtype

    def _setType(self, name: str) -> None:
        super()._setType(name)
        if self.intype is not None and not self.dontCast:
            self.intype = self.outtype = name

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input, cast=False)
        if self.passes:
            self.output = x
        else:
            self.output = resize(self.output, x.shape, TENSOR_TYPES[self.outtype])
            np.copyto(self.output, x, casting="unsafe")
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = as_numeric(gradOutput, "gradOutput")
        if self.passes:
            self.gradInput = g
        else:
            self.gradInput = resize(self.gradInput, g.shape, TENSOR_TYPES[str(self.intype)])
            np.copyto(self.gradInput, g, casting="unsafe")
        return self.gradInput


class Convert(Module):
    """Change a tensor's layout, named by letters: ``Convert('bchw', 'bf')``, ``Convert('chw', 'hwc')``.

    ``b`` is the batch (put in front where a name lacks it; an input with one dimension fewer
    has none), ``f`` a feature, ``t`` time, ``c``, ``h``, ``w`` as in images. The output is a
    transposition if both names have the same letters; to ``bf`` everything but the batch is
    flattened; to ``b`` the only feature, or the first time step, is selected; ``b`` becomes
    ``bt`` or ``bf`` by adding a dimension of size 1. Without arguments only the type is converted.
    Source: https://github.com/torch/nn/blob/master/doc/simple.md#nn.Convert
    """

    def __init__(self, inputShape: Optional[str] = None, outputShape: Optional[str] = None) -> None:
        super().__init__()
        if outputShape and not inputShape:
            raise ArgumentError("nn.Convert: outputShape needs an inputShape before it")
        inputShape = inputShape or "b*"
        outputShape = outputShape or inputShape
        self.inputShape = inputShape if "b" in inputShape else "b" + inputShape
        self.outputShape = outputShape if "b" in outputShape else "b" + outputShape
        if ("*" in self.inputShape) != ("*" in self.outputShape):
            raise ArgumentError("nn.Convert: both shapes must be 'b*', or neither")
        for shape in (self.inputShape, self.outputShape):
            if len(set(shape)) != len(shape):
                raise ArgumentError(f"nn.Convert: shape {shape!r} names a dimension twice")
        self._plan()

    def _plan(self) -> None:
        """Find the transposition, and raise ArgumentError for a conversion that has no meaning."""
        source, target = self.inputShape, self.outputShape
        if set(source) == set(target):
            order = target
        elif target == "bf" and source != "bt":
            order = source
            position = source.index("b")  # Torch swaps the batch with the first dimension
            letters = list(source)
            letters[0], letters[position] = letters[position], letters[0]
            order = "".join(letters)
        elif source == "b" and target == "bt":
            order = source
        elif target == "b" and set(source) in ({"b", "t"}, {"b", "f"}):
            order = "b" + source.replace("b", "")
        else:
            raise ArgumentError(f"nn.Convert: no conversion of shape {source!r} to {target!r}")
        self._axes = [source.index(letter) for letter in order]

    def _arranged(self, x: np.ndarray) -> np.ndarray:
        if "*" in self.inputShape or self.inputShape == self.outputShape:
            return x
        moved = x.transpose(self._axes)
        if set(self.inputShape) == set(self.outputShape):
            return moved
        if self.outputShape == "b":
            if "f" in self.inputShape and moved.shape[1] > 1:
                raise InputError(
                    f"{self!r}: cannot convert {moved.shape[1]} features to one number per sample",
                    "input", 1, moved.shape[1],
                )
            return moved[:, 0]
        return moved.reshape(len(moved), -1) if moved.size else moved.reshape(len(moved), 0)

    def _batched(self, x: np.ndarray) -> np.ndarray:
        if "*" in self.inputShape:
            return x
        rank = len(self.inputShape)
        if x.ndim not in (rank, rank - 1):
            raise InputError(
                f"{self!r} expects an input of {rank} dimension(s) ({rank - 1} without a batch), "
                f"got shape {format_shape(x.shape)}",
                "input", (rank, rank - 1), x.shape,
            )
        return x if x.ndim == rank else np.expand_dims(x, self.inputShape.index("b"))

    def updateOutput(self, input: Any) -> np.ndarray:
        x = self._tensor(input)
        batched = self._batched(x)
        arranged = self._arranged(batched)
        if batched.ndim != x.ndim:
            arranged = arranged.squeeze(self.outputShape.index("b"))
        self.output = np.ascontiguousarray(arranged).reshape(arranged.shape or (1,))
        return self.output

    def updateGradInput(self, input: Any, gradOutput: Any) -> np.ndarray:
        g = self._tensor(gradOutput, what="gradOutput")
        self.gradInput = resize(self.gradInput, np.shape(input), self.dtype)
        batched = self._batched(self.gradInput)
        if "*" in self.inputShape or self.inputShape == self.outputShape:
            batched[...] = g
            return self.gradInput
        moved = batched.transpose(self._axes)
        if set(self.inputShape) == set(self.outputShape):
            moved[...] = g if g.ndim == moved.ndim else np.expand_dims(g, self.outputShape.index("b"))
        elif self.outputShape == "b":
            moved.fill(0)
            moved[:, 0] = g
        else:
            moved[...] = g.reshape(moved.shape)
        return self.gradInput

    def __repr__(self) -> str:
        return f"nn.Convert({self.inputShape!r}, {self.outputShape!r})"
