"""to_torch of layers that PyTorch has only as compositions: what the registry's cases do not reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop_cases import as_torch, compare_with_torch, flat, largest
from test_interop_files import loaded

import minigraph as mg
from minigraph import interop, nn
from minigraph.errors import ConversionError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def same_as_in_torch(net: Any, input: Any, path: Path) -> None:
    """Compare forward and backward, and the forward of what is written as source."""
    gradient = mg.tables.map_table(lambda leaf: normal(*leaf.shape, seed=9), net.forward(input))
    assert compare_with_torch(torch, net, input, gradient) < 1e-9
    _, source = interop.save_torch(net, path / "net.pt")
    given = as_torch(torch, input)
    wanted, found = (arrays(module(given)) for module in (interop.to_torch(net), loaded(source)))
    assert largest(wanted, found) == 0


def arrays(table: Any) -> list[np.ndarray]:
    return [tensor.detach().numpy() for _, tensor in mg.tables.leaves(table)]


def named(module: Any, field: str) -> Any:
    (found,) = [p for name, p in module.named_parameters() if name.split(".")[-1] == field]
    return found


WEIGHT_NORMS = {
    "temporal": (lambda: nn.WeightNorm(nn.TemporalConvolution(3, 4, 2)), (5, 3)),
    "columns of a temporal": (lambda: nn.WeightNorm(nn.TemporalConvolution(3, 4, 2), 2), (2, 5, 3)),
    "planes": (lambda: nn.WeightNorm(nn.SpatialConvolution(3, 4, 2, 3)), (2, 3, 4, 4)),
    "inputs of planes": (lambda: nn.WeightNorm(nn.SpatialConvolution(3, 4, 2, 3), 2), (2, 3, 4, 4)),
    "full": (lambda: nn.WeightNorm(nn.SpatialFullConvolution(3, 4, 2, 2), 2), (3, 3, 3)),
    "depthwise": (lambda: nn.WeightNorm(nn.SpatialDepthWiseConvolution(3, 2, 2, 2)), (2, 3, 4, 4)),
    "pairs of planes": (
        lambda: nn.WeightNorm(nn.SpatialConvolutionMap(nn.tables.full(3, 2), 2, 2)), (2, 3, 4, 4)
    ),
}


@pytest.mark.parametrize("name", WEIGHT_NORMS)
def test_weights_are_normalised_in_torch_s_layout(name: str, tmp_path: Path) -> None:
    build, shape = WEIGHT_NORMS[name]
    mg.manualSeed(1)
    net = build()
    net.g *= normal(*net.g.shape) + 3
    same_as_in_torch(net, normal(*shape), tmp_path)
    names = [name for name, _ in interop.to_torch(net).named_parameters()]
    assert sorted(name.split(".")[-1] for name in names) == ["bias", "g", "v"]


def test_a_normalised_weight_is_trained_not_kept() -> None:
    net = nn.WeightNorm(nn.Linear(3, 2))
    module = interop.to_torch(net)
    x = torch.ones(1, 3, dtype=torch.float64)
    before = module(x)
    with torch.no_grad():
        named(module, "g").mul_(2)
    bias = named(module, "bias")
    assert torch.allclose(module(x) - bias, 2 * (before - bias))


def test_a_normalised_weight_shared_with_another_layer_is_refused() -> None:
    inner, other = nn.Linear(3, 3), nn.Linear(3, 3)
    other.share(inner, "weight")
    with pytest.raises(ConversionError, match="shared with another layer"):
        interop.to_torch(nn.Sequential().add(nn.WeightNorm(inner)).add(other))


@pytest.mark.parametrize("volumes", [False, True])
@pytest.mark.parametrize("shape", [(2, 5, 7), (3, 2, 4, 5)])
def test_unpooling_takes_the_places_of_its_pooling(volumes: bool, shape: Any, tmp_path: Path) -> None:
    pooling = nn.VolumetricMaxPooling(2, 2, 2) if volumes else nn.SpatialMaxPooling(2, 2)
    unpooling = (nn.VolumetricMaxUnpooling if volumes else nn.SpatialMaxUnpooling)(pooling)
    x = nn.Identity()()
    pooled = pooling(x)
    net = nn.gModule([x], [unpooling(nn.Square()(pooled)), pooled])
    shape = (*shape, 6) if volumes else shape
    same_as_in_torch(net, normal(*shape), tmp_path)
    module = interop.to_torch(net)
    larger = normal(*(n + 1 for n in shape), seed=4)
    assert largest(flat(net.forward(larger)), [t.numpy() for t in module(torch.tensor(larger))]) == 0
    kinds = {type(layer) for layer in module.modules()}
    assert kinds & {torch.nn.MaxPool2d, torch.nn.MaxPool3d}


def test_unpooling_of_what_pytorch_cannot_reach_is_refused() -> None:
    pooling = nn.SpatialMaxPooling(2, 2)
    with pytest.raises(ConversionError, match="has not run"):
        interop.to_torch(nn.SpatialMaxUnpooling(pooling))
    x = nn.Identity()()
    late = nn.gModule([x], [pooling(nn.SpatialMaxUnpooling(pooling)(x).annotate(name="early"))])
    with pytest.raises(ConversionError, match="(?s)'early'.*runs after it"):
        interop.to_torch(late)


@pytest.mark.parametrize("volumes", [False, True])
def test_fractional_regions_are_drawn_anew_or_kept(volumes: bool, tmp_path: Path) -> None:
    mg.manualSeed(2)
    if volumes:
        net, x = nn.VolumetricFractionalMaxPooling(2, 3, 2, 4, 3, 3), normal(2, 1, 8, 9, 9)
    else:
        net, x = nn.SpatialFractionalMaxPooling(2, 3, 0.4, 0.5), normal(2, 3, 11, 10)
    assert interop.to_torch(net)(torch.tensor(x)).shape == net.forward(x).shape
    torch.manual_seed(1)
    module, samples = interop.to_torch(net), torch.tensor(x)
    assert not torch.equal(module(samples), module(samples))
    net.fixPoolingRegions()
    same_as_in_torch(net, x, tmp_path)
    other = torch.tensor(normal(*(n + 1 for n in x.shape)))
    kept = interop.to_torch(net)  # of another size the regions are drawn once, then kept
    assert torch.equal(kept(other), kept(other))


def sparse_inputs() -> dict[str, tuple[Any, Any]]:
    def indexed(*arguments: Any, **more: Any) -> nn.IndexLinear:
        return nn.IndexLinear(6, 3, *arguments, **more).reset()

    keys, values = np.array([2, 6, 2]), np.array([0.5, -2.0, 3.0])
    pairs = np.array([[2, 0.5], [0, 0], [6, -2.0], [2, 1.0]])
    return {
        "a sample": (nn.SparseLinear(6, 3), pairs),
        "a batch": (nn.SparseLinear(6, 3), np.stack([pairs, pairs[::-1] * [1, 2]])),
        "samples of different size": (nn.SparseLinear(6, 3), [pairs[:1], pairs, pairs[1:2]]),
        "keys": (indexed(), [keys, values]),
        "keys with sizes": (indexed(False, 1), [keys - 1, values, np.array([1, 0, 2])]),
        "keys of samples": (indexed(), [[keys, keys[:1]], [values, values[:1]]]),
        "normalised in evaluation": (indexed(normalize=True), [keys, values]),
    }


@pytest.mark.parametrize("name", sparse_inputs())
def test_sparse_input(name: str, tmp_path: Path) -> None:
    mg.manualSeed(3)
    net, input = sparse_inputs()[name]
    if getattr(net, "normalize", 0):
        net.weight[:, :4] = np.abs(normal(6, 4, seed=5))
        net.weight[:, 1] = 1 / net.weight[:, 0]
    same_as_in_torch(net.evaluate(), input, tmp_path)


def test_values_are_normalised_by_the_largest_seen_in_training() -> None:
    mg.manualSeed(3)
    net = nn.IndexLinear(6, 3, normalize=True).reset()
    module = interop.to_torch(net)
    for seed in range(3):
        input = [np.array([2, 6, 2, 1]), normal(4, seed=seed) * (seed + 1)]
        assert largest([net.forward(input)], [module(as_torch(torch, input)).detach().numpy()]) < 1e-12
    (weight, _) = module.parameters()
    assert largest([net.weight], [weight.detach().numpy()]) < 1e-12 and net.weight[:, 2].sum() == 3


def test_weight_decay_of_a_sparse_layer_is_in_its_gradient(tmp_path: Path) -> None:
    net = nn.SparseLinear(6, 3)
    net.weightDecay = 0.1
    same_as_in_torch(net, np.array([[2, 0.5], [6, -2.0]]), tmp_path)


def test_indices_out_of_range_are_errors_in_pytorch_too() -> None:
    for net, input in (
        (nn.SparseLinear(6, 3), np.array([[0, 1.0]])), (nn.SparseLinear(6, 3), np.array([[7, 1.0]])),
        (nn.IndexLinear(6, 3), [np.array([0]), np.array([1.0])]),
    ):
        with pytest.raises(IndexError):
            interop.to_torch(net)(as_torch(torch, input))


@pytest.mark.parametrize("bias", [True, False])
def test_a_partition_computes_some_outputs(bias: bool, tmp_path: Path) -> None:
    net = nn.PartialLinear(4, 5, bias).setPartition([5, 2, 5])
    same_as_in_torch(net, normal(3, 4), tmp_path)


@pytest.mark.parametrize("kind", ["Subtractive", "Divisive", "Contrastive"])
def test_local_contrast_with_a_row_and_column_kernel(kind: str, tmp_path: Path) -> None:
    net = getattr(nn, f"Spatial{kind}Normalization")(3, np.array([1.0, 2.0, 4.0]))
    x = normal(2, 3, 5, 6)
    x[0, :, :3, :4] = 0  # a deviation of 0
    same_as_in_torch(net, x, tmp_path)


def test_features_of_norm_0_pass_no_gradient(tmp_path: Path) -> None:
    x = np.abs(normal(2, 7))
    x[0, :5] = 0
    same_as_in_torch(nn.FeatureLPPooling(2, 2, 3, True), x, tmp_path)


def test_of_equal_frames_the_earlier_are_taken(tmp_path: Path) -> None:
    x = np.round(normal(2, 9, 3))
    same_as_in_torch(nn.TemporalDynamicKMaxPooling(2, 0.5), x, tmp_path)


@pytest.mark.parametrize("counts", [True, False])
def test_sums_instead_of_means(counts: bool, tmp_path: Path) -> None:
    net = nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1).ceil()
    net.divide, net.count_include_pad = False, counts
    same_as_in_torch(net, normal(2, 3, 6, 6), tmp_path)


def test_a_reflection_that_cuts_entries_off(tmp_path: Path) -> None:
    same_as_in_torch(nn.SpatialReflectionPadding(-1, 2, 1, -2), normal(2, 3, 4, 4), tmp_path)


def test_modules_of_a_criterion_are_not_trained(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="does not update"):
        criterion = nn.ModuleCriterion(nn.MSECriterion(), nn.Linear(4, 2), nn.Linear(3, 2))
    net = nn.Sequential().add(nn.ParallelTable().add(nn.Linear(4, 4)).add(nn.Identity()))
    net.add(nn.ModuleFromCriterion(criterion))
    input = [normal(5, 4), normal(5, 3)]
    net.forward(input)
    gradInput = net.backward(input, np.array([1.5]))
    module, given = interop.to_torch(net), as_torch(torch, input)
    module(given).backward(torch.tensor([1.5], dtype=torch.float64))
    assert largest([gradInput[0]], [given[0].grad.numpy()]) < 1e-12 and given[1].grad is None
    trained = [name for name, p in module.named_parameters() if p.requires_grad]
    assert len(trained) == 2 and len(list(module.parameters())) == 6
    back = loaded(interop.save_torch(net, tmp_path / "net.pt")[1])
    assert [name for name, p in back.named_parameters() if p.requires_grad] == trained


def test_a_module_in_a_type_of_its_own(tmp_path: Path) -> None:
    inner = nn.Sequential().add(nn.ParallelTable().add(nn.Linear(4, 3)).add(nn.Identity()))
    inner.add(nn.CAddTable()).float()
    net = nn.Sequential().add(nn.DontCast(inner, True, True, "torch.FloatTensor")).add(nn.Linear(3, 2))
    input = [normal(5, 4), normal(5, 3)]
    g = normal(5, 2, seed=1)
    output, gradInput = net.forward(input), net.backward(input, g)
    module, given = interop.to_torch(net), as_torch(torch, input)
    found = module(given)
    found.backward(torch.tensor(g))
    assert found.dtype == torch.float64 and largest([output], [found.detach().numpy()]) < 1e-6
    assert largest(gradInput, [tensor.grad.numpy() for tensor in given]) < 1e-6
    assert {p.dtype for p in module.parameters()} == {torch.float32, torch.float64}
    back = loaded(interop.save_torch(net, tmp_path / "net.pt")[1])
    assert torch.equal(back(given), found)
    with pytest.raises(ConversionError, match="castin and castout"):
        interop.to_torch(nn.Sequential().add(nn.DontCast(inner)).add(nn.Linear(3, 2)))


def test_dropout_of_the_first_version_in_evaluation_too() -> None:
    net = nn.Dropout(0.5, True, False, True).evaluate()
    torch.manual_seed(1)
    x = torch.ones(1000, dtype=torch.float64)
    y = interop.to_torch(net)(x)
    assert set(y.tolist()) == {0.0, 1.0} == set(net.forward(x.numpy()).tolist())
    assert 400 < float(y.sum()) < 600
