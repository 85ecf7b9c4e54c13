"""The table of converters to PyTorch: layers that are compositions of its functions there.

A converter is called as in ``torch_layers``. Where Torch's gradient has a form that PyTorch cannot
give, the module is refused with that reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigraph import nn
from minigraph.interop.pytorch.runtime import planes, pooling, sparse
from minigraph.interop.walker import Converter, Unconvertible


def _unpooling(kind: type) -> Converter:
    def convert(export: Any, m: Any, value: Any, name: str) -> Any:
        kernel = tuple(m.pooling._window.kernel)
        known = export.places.get(id(m.pooling))
        if known is not None:
            pad = tuple(m.pooling._window.pad)
            return export.layer(kind, kernel, kernel, pad, value=(value, *known), name=name, several=True)
        if id(m.pooling) in export.members:
            raise Unconvertible(
                f"it undoes {m.pooling!r}, which runs after it or inside another loop or container: in "
                "PyTorch the indices go from the pooling to the unpooling within one graph"
            )
        if m.pooling.indices is None:
            raise Unconvertible(
                f"it undoes {m.pooling!r}, which is not part of the network and has not run: run its "
                "forward first, then the places of that run are kept, or convert both in one network"
            )
        size = (m.pooling.itime, m.pooling.iheight, m.pooling.iwidth)[-len(kernel) :]
        indices = m.pooling.indices
        return export.layer(
            pooling.KeptMaxUnpool, kernel, tuple(size), indices.shape, value=value, name=name,
            buffers={"indices": indices - 1},
        )

    return convert


def _fractional_pooling(export: Any, m: Any, value: Any, name: str) -> Any:
    axes = m._axes
    exact = [getattr(m, f"out{axis}") for axis in axes]
    targets = [
        count if count is not None else getattr(m, f"ratio{axis}") for count, axis in zip(exact, axes)
    ]
    samples = m.randomSamples if m.newRandomPool else None
    return export.layer(
        pooling.FractionalMaxPool, tuple(getattr(m, f"poolSize{axis}") for axis in axes), tuple(targets),
        bool(m.newRandomPool), None if samples is None else samples.shape, value=value, name=name,
        buffers={"samples": samples},
    )


def _feature_pooling(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.call(
        pooling.feature_lp_pooling, value, m.width, m.stride, m.power, m.batch_mode, name=name
    )


def _k_max(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.call(pooling.dynamic_k_max, value, m.minK, m.factor, name=name)


_DENSE = (
    "doGradInput: Torch's gradient of the input is dense, one value for each of {0} indices, PyTorch's has "
    "the input's own shape; make it without doGradInput (its gradient is then zero)"
)


def _sparse(export: Any, m: Any, value: Any, name: str) -> Any:
    outputs, inputs = m.weight.shape
    if m.doGradInput:
        raise Unconvertible(_DENSE.format(inputs))
    return export.layer(
        sparse.SparseLinear, inputs, outputs, float(m.weightDecay), value=value, name=name,
        parameters={"weight": m.weight, "bias": m.bias},
    )


def _indexed(export: Any, m: Any, value: Any, name: str) -> Any:
    if m.doGradInput:
        raise Unconvertible(_DENSE.format(m.inputSize))
    return export.layer(
        sparse.IndexLinear, *m.weight.shape, m.offset, bool(m.normalize), value=value, name=name,
        parameters={"weight": m.weight, "bias": m.bias},
    )


def _partial(export: Any, m: Any, value: Any, name: str) -> Any:
    chosen = None if m.partition is None else np.asarray(m.partition, np.int64)
    return export.layer(
        sparse.PartialLinear, m.inputsize, m.outputsize, m.bias is not None,
        None if chosen is None else len(chosen), value=value, name=name, buffers={"partition": chosen},
        parameters={"weight": m.weight, "bias": None if m.bias is None else m.bias[0]},
    )


def _convolution_map(export: Any, m: Any, value: Any, name: str) -> Any:
    return export.layer(
        planes.ConvolutionMap, len(m.weight), m._planePair(), (m.kH, m.kW), tuple(m._window.stride),
        isinstance(m, nn.SpatialFullConvolutionMap), m.bias is not None, value=value, name=name,
        parameters={"weight": m.weight, "bias": m.bias}, buffers={"pairs": np.stack(m._pairs())},
    )


def _mean_kernel(estimator: Any) -> np.ndarray:
    """Return the weights (1, planes, kH, kW) with which an estimator computes its mean."""
    layers = [module for module in estimator.modules if getattr(module, "weight", None) is not None]
    if any(layer.bias is not None and layer.bias.any() for layer in layers):
        raise Unconvertible("the estimator of its mean has a bias")
    weight = layers[-1].weight.reshape(1, layers[-1].nInputPlane, layers[-1].kH, layers[-1].kW)
    return weight if len(layers) == 1 else weight * layers[0].weight.reshape(1, -1, 1, layers[0].kW)


def _subtractive(export: Any, m: Any, value: Any, name: str) -> Any:
    kernel = _mean_kernel(m.meanestimator)
    return export.layer(
        planes.SubtractiveNormalization, kernel.shape, value=value, name=name, buffers={"kernel": kernel}
    )


def _divisive(export: Any, m: Any, value: Any, name: str) -> Any:
    kernel, squares = _mean_kernel(m.meanestimator), _mean_kernel(m.stdestimator)
    return export.layer(
        planes.DivisiveNormalization, kernel.shape, float(m.threshold), float(m.thresval), value=value,
        name=name, buffers={"kernel": kernel, "squares": squares},
    )


def _contrastive(export: Any, m: Any, value: Any, name: str) -> Any:
    for part, label in zip(m.normalizer.modules, ("mean", "deviation")):
        value = export.convert(part, value, name if label == "deviation" else f"{name}_{label}")
    return value


def _weight_norm(export: Any, m: Any, value: Any, name: str) -> Any:
    layer = m.modules[0]
    inner = export.inner(layer)
    target, order = _weight_inside(type(export), layer)
    if export.uses(layer.weight) > 1:
        raise Unconvertible("the weight that it computes is shared with another layer")
    found = inner.get_parameter(target) if target in dict(inner.named_parameters()) else (
        inner.get_buffer(target)
    )
    permuted = not np.array_equal(order, np.arange(order.size))
    return export.layer(
        planes.WeightNorm, inner, target, tuple(layer.weight.shape), m.outputDim - 1, tuple(found.shape),
        permuted, value=value, name=name, parameters={"v": m.v, "g": m.g},
        buffers={"order": order if permuted else None},
    )


def _weight_inside(exporter: Any, layer: Any) -> tuple[str, np.ndarray]:
    """Return the name of the parameter that a layer's weight becomes, and where its entries come from.

    Found by converting a copy whose weight holds the numbers of its own entries.
    """
    twin = layer.clone().double()
    for parameter in twin.parameters()[0]:
        parameter.fill(-1)
    twin.weight[...] = np.arange(twin.weight.size).reshape(twin.weight.shape)
    made = exporter().build(twin)
    found = {
        name: parameter.detach().numpy().reshape(-1).astype(np.int64)
        for name, parameter in made.named_parameters()
        if parameter.numel() == twin.weight.size and float(parameter.detach().min()) >= 0
    }
    if len(found) != 1:
        raise Unconvertible(f"the weight of {layer!r} is not one parameter in PyTorch")
    return found.popitem()


COMPOSITIONS: dict[type, Converter] = {
    nn.SpatialMaxUnpooling: _unpooling(pooling.MaxUnpool2d),
    nn.VolumetricMaxUnpooling: _unpooling(pooling.MaxUnpool3d),
    nn.SpatialFractionalMaxPooling: _fractional_pooling,
    nn.VolumetricFractionalMaxPooling: _fractional_pooling,
    nn.FeatureLPPooling: _feature_pooling,
    nn.TemporalDynamicKMaxPooling: _k_max,
    nn.SparseLinear: _sparse,
    nn.IndexLinear: _indexed,
    nn.PartialLinear: _partial,
    nn.SpatialConvolutionMap: _convolution_map,
    nn.SpatialFullConvolutionMap: _convolution_map,
    nn.SpatialSubtractiveNormalization: _subtractive,
    nn.SpatialDivisiveNormalization: _divisive,
    nn.SpatialContrastiveNormalization: _contrastive,
    nn.WeightNorm: _weight_norm,
}
