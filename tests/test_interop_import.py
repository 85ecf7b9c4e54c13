"""from_torch: layers, recurrent layers with their gates rearranged, traced modules, refusals."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from golden_files import load, value
from interop_cases import flat, largest
from test_golden_graphs import build_graph

import minigraph as mg
from minigraph import interop, nn
from minigraph.errors import ConversionError, InputError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

tn = torch.nn
IMAGES, ROWS, FRAMES = (2, 4, 6, 7), (5, 4), (2, 4, 9)


def layers() -> list[Any]:
    d = {"dtype": torch.float64}
    return [
        (ROWS, tn.Linear(4, 3, **d)), (ROWS, tn.Linear(4, 3, bias=False, **d)),
        (IMAGES, tn.Conv2d(4, 6, (3, 2), (1, 2), (1, 0), **d)),
        (IMAGES, tn.Conv2d(4, 6, 3, dilation=2, bias=False, **d)),
        (IMAGES, tn.Conv2d(4, 8, 3, groups=4, **d)),
        (FRAMES, tn.Conv1d(4, 3, 3, 2, **d)), (FRAMES, tn.Conv1d(4, 3, 3, padding=1, bias=False, **d)),
        ((2, 2, 5, 6, 7), tn.Conv3d(2, 3, (2, 3, 2), **d)),
        (IMAGES, tn.ConvTranspose2d(4, 3, 3, 2, 1, 1, **d)),
        (ROWS, tn.BatchNorm1d(4, **d)), (IMAGES, tn.BatchNorm2d(4, affine=False, **d)),
        (ROWS, tn.LayerNorm(4, **d)), ((3, 5, 4), tn.LayerNorm(4, elementwise_affine=False, **d)),
        (IMAGES, tn.MaxPool2d(3, 2, 1)), (IMAGES, tn.MaxPool2d((2, 3), ceil_mode=True)),
        (IMAGES, tn.AvgPool2d(3, 2, 1, count_include_pad=False)), (IMAGES, tn.AdaptiveAvgPool2d((2, 3))),
        (IMAGES, tn.Dropout2d(0.3)), (ROWS, tn.Dropout(0.4)), (IMAGES, tn.Upsample(scale_factor=2)),
        ((1, 2, 2, 3, 4), tn.Upsample(scale_factor=3)),
        # Positions are exact in single precision here, in which Torch7 computes them.
        (IMAGES, tn.Upsample((11, 13), mode="bilinear", align_corners=True)),
        ((1, 2, 3, 3, 5), tn.Upsample((5, 9, 9), mode="trilinear", align_corners=True)),
        (IMAGES, tn.PixelShuffle(2)), (IMAGES, tn.ReflectionPad2d((1, 2, 3, 0))), (IMAGES, tn.Flatten()),
        *((ROWS, activation) for activation in (
            tn.Sigmoid(), tn.Tanh(), tn.ReLU(), tn.ELU(0.7), tn.LeakyReLU(0.2), tn.Softplus(2.0),
            tn.Hardtanh(-0.5, 0.6), tn.LogSoftmax(1), tn.Softmax(-1), tn.PReLU(4, **d), tn.GLU(),
            tn.Hardshrink(0.3),
        )),
    ]


LAYERS = layers()


@pytest.mark.parametrize("shape, layer", LAYERS, ids=[str(layer).split("\n")[0] for _, layer in LAYERS])
def test_layers_give_the_same_numbers(shape: tuple[int, ...], layer: Any) -> None:
    torch.manual_seed(1)
    for parameter in (*layer.parameters(), *layer.buffers()):
        if parameter.is_floating_point():
            torch.nn.init.uniform_(parameter, 0.1, 1.0)
    layer.eval()
    net = interop.from_torch(layer)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    y = layer(x)
    g = torch.randn_like(y)
    grads = torch.autograd.grad(y, [x, *layer.parameters()], g)
    net.zeroGradParameters()
    assert largest([net.forward(x.detach().numpy())], [y.detach().numpy()]) < 1e-9
    assert largest([net.backward(x.detach().numpy(), g.numpy())], [grads[0].numpy()]) < 1e-9
    mine = sum(float(np.square(gradient).sum()) for gradient in net.parameters()[1])
    assert mine == pytest.approx(sum(float(grad.square().sum()) for grad in grads[1:]), rel=1e-9)
    assert net.type() == "torch.DoubleTensor" and not net.train


def test_embedding_takes_pytorch_s_indices() -> None:
    layer = tn.Embedding(5, 3)
    net = interop.from_torch(tn.Sequential(layer, tn.Linear(3, 2)))
    indices = np.array([0, 4, 2])
    wanted = tn.Sequential(layer, tn.Linear(3, 2))[0](torch.tensor(indices))
    assert largest([net.modules[0].forward(indices)], [wanted.detach().numpy()]) == 0
    assert net.forward(indices).shape == (3, 2) and net.type() == "torch.FloatTensor"


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_layers_become_unrolled_steps(kind: str, layers: int, bias: bool) -> None:
    torch.manual_seed(2)
    layer = getattr(tn, kind)(3, 4, layers, bias=bias, dtype=torch.float64)
    xs = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    states = [torch.randn(layers, 2, 4, dtype=torch.float64) for _ in range(2 if kind == "LSTM" else 1)]
    out, last = layer(xs, tuple(states) if kind == "LSTM" else states[0])
    net = interop.from_torch(layer)
    order = [1, 0] if kind == "LSTM" else [0]  # c before h in our steps
    initial = [states[k][layer_].numpy() for layer_ in range(layers) for k in order]
    mine = net.forward([xs.detach().numpy(), *initial])
    mine = mine if isinstance(mine, list) else [mine]
    assert largest([mine[-1]], [out.detach().numpy()]) < 1e-12
    finals = [last[0], last[1]] if kind == "LSTM" else [last]
    wanted = [finals[k][layer_].detach().numpy() for layer_ in range(layers) for k in order]
    assert largest([sequence[-1] for sequence in mine], wanted) < 1e-12
    g = torch.randn_like(out)
    (wanted_gradient,) = torch.autograd.grad(out, [xs], g)
    gradients: Any = [None] * (len(mine) - 1) + [g.numpy()]
    gradInput = net.backward([xs.detach().numpy(), *initial], gradients if len(mine) > 1 else g.numpy())
    assert largest([gradInput[0]], [wanted_gradient.numpy()]) < 1e-12


def test_cells_become_steps() -> None:
    x, h, c = (torch.randn(2, n, dtype=torch.float64) for n in (3, 4, 4))
    cell = tn.LSTMCell(3, 4, dtype=torch.float64)
    next_h, next_c = cell(x, (h, c))
    mine = interop.from_torch(cell).forward([x.numpy(), c.numpy(), h.numpy()])
    assert largest(mine, [next_c.detach().numpy(), next_h.detach().numpy()]) < 1e-12
    gru = tn.GRUCell(3, 4, dtype=torch.float64)
    mine = interop.from_torch(gru).forward([x.numpy(), h.numpy()])
    assert largest([mine], [gru(x, h).detach().numpy()]) < 1e-12


class Traced(tn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = tn.Linear(5, 12), tn.Linear(5, 12)
        self.cell, self.norm, self.shared = tn.LSTMCell(3, 3), tn.LayerNorm(3), tn.Linear(3, 3)

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        z = self.a(x) + self.b(x) * 2 - 1
        i, f, g, o = z.chunk(4, dim=1)
        y = torch.tanh(torch.sigmoid(i) * f + g / 2 + o**2) - 1 / (3 + y2(o))
        h, c = self.cell(y, (h, c))
        w = torch.cat([self.shared(self.norm(h)), self.shared(c), x[:, 1:3]], dim=1)
        return torch.relu(w).view(w.size(0), -1), [h, c.reshape(-1, 3)]


def y2(o: Any) -> Any:
    return torch.nn.functional.softplus(o)


def test_traced_modules_give_the_same_numbers() -> None:
    torch.manual_seed(3)
    module = Traced().double()
    net = interop.from_torch(module)
    tensors = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (5, 3, 3)]
    out, rest = module(*tensors)
    returned = [out, *rest]
    gs = [torch.randn_like(tensor) for tensor in returned]
    wanted = torch.autograd.grad(returned, tensors, gs)
    input = [tensor.detach().numpy() for tensor in tensors]
    assert largest(flat(net.forward(input)), [tensor.detach().numpy() for tensor in returned]) < 1e-12
    gradInput = net.backward(input, [gs[0].numpy(), [g.numpy() for g in gs[1:]]])
    assert largest(gradInput, [gradient.numpy() for gradient in wanted]) < 1e-12
    assert {"a", "cell", "cat"} <= {node.name for node in net.forwardnodes}


@pytest.mark.parametrize("kind", ["add", "sub", "mul", "div"])
def test_what_pytorch_would_expand_is_refused(kind: str, tmp_path: Any) -> None:
    class Outer(tn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return getattr(operator, {"div": "truediv"}.get(kind, kind))(a, b)

    net = interop.from_torch(Outer())
    mg.save(tmp_path / "net", net)
    for each in (net, mg.load(tmp_path / "net"), mg.compile(net)):
        with pytest.raises(InputError, match="one shape.*4, 1.*1, 4"):
            each.forward([np.ones((1, 4)), np.ones((4, 1))])
        assert each.forward([np.ones((2, 4)), np.ones((2, 4))]).shape == (2, 4)


class Attention(tn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query = tn.Linear(4, 4)

    def forward(self, q: Any, k: Any, v: Any) -> Any:
        return torch.softmax(torch.matmul(self.query(q), k.transpose(1, 2)) / 2, -1) @ v


class Frames(tn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.decode = tn.Conv1d(3, 4, 2), tn.BatchNorm1d(4), tn.Linear(5, 2)

    def forward(self, x: Any) -> Any:
        return self.decode(torch.relu(self.norm(self.conv(x))))


@pytest.mark.parametrize("module, inputs", [
    (tn.Sequential(tn.Embedding(9, 3), tn.Linear(3, 2), tn.Sequential(tn.Tanh(), tn.Linear(2, 2))),
     [torch.tensor([[1, 2, 0], [3, 0, 8]])]),
    (tn.Sequential(tn.Conv1d(3, 4, 2), tn.BatchNorm1d(4), tn.ReLU(), tn.Flatten(), tn.Linear(20, 2),
                   tn.BatchNorm1d(2)), [torch.randn(2, 3, 6).double()]),
    (Attention(), [torch.randn(2, n, 4).double() for n in (3, 5, 5)]),
    (Frames(), [torch.randn(2, 3, 6).double()]),
    *((tn.Sequential(tn.Linear(4, 4), kind(dim)), [torch.randn(3, 4).double()])
      for kind in (tn.Softmax, tn.LogSoftmax, tn.Softmin) for dim in (0, 1, -1)),
    *((tn.Sequential(tn.Conv1d(3, 4, 2), tn.Softmax(dim)), [torch.randn(2, 3, 6).double()])
      for dim in (0, 1, 2, -1, -2)),
    *((tn.Sequential(tn.Conv2d(3, 4, 2), tn.LogSoftmax(dim)), [torch.randn(2, 3, 6, 5).double()])
      for dim in (1, 2, -1)),
], ids=lambda given: " ".join(str(given).split()) if isinstance(given, tn.Module) else "")
def test_layers_take_the_dimensions_that_pytorch_s_take(module: Any, inputs: list[Any]) -> None:
    module = module.double().train()
    net = interop.from_torch(module)
    arrays = [tensor.numpy() for tensor in inputs]
    wanted = module(*inputs)
    found = net.forward(arrays if len(arrays) > 1 else arrays[0])
    assert largest([found], [wanted.detach().numpy()]) < 1e-12
    net.backward(arrays if len(arrays) > 1 else arrays[0], np.ones(wanted.shape))
    wanted.sum().backward()
    # The forms differ, Torch's convolution has its weight as a matrix; the numbers are the same.
    numbers = [np.sort(np.concatenate([gradient.ravel() for gradient in gradients])) for gradients in (
        net.parameters()[1], [parameter.grad.numpy() for parameter in module.parameters()],
    )]
    assert largest(*numbers) < 1e-12


@pytest.mark.parametrize("case", load("graphs"), ids=lambda case: case["name"])
def test_there_and_back(case: dict[str, Any]) -> None:
    net, _ = build_graph(case)
    back = interop.from_torch(interop.to_torch(net))
    input, gradOutput = value(case["input"]), value(case["gradOutput"])
    assert largest(flat(net.forward(input)), flat(back.forward(input))) < 1e-12
    assert largest(flat(net.backward(input, gradOutput)), flat(back.backward(input, gradOutput))) < 1e-12


def test_everything_that_cannot_be_converted_is_listed() -> None:
    module = tn.Sequential(tn.Linear(2, 3), tn.Sequential(tn.GELU(), tn.LSTM(3, 4, proj_size=2)))
    with pytest.raises(ConversionError) as caught:
        interop.from_torch(module)
    assert [what.split(":")[0] for what, _ in caught.value.reasons] == ["1.0", "1.1"]
    assert "proj_size" in caught.value.reasons[1][1]


def test_control_flow_is_refused_with_the_reason() -> None:
    class Branching(tn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    with pytest.raises(ConversionError, match="torch.fx cannot trace it"):
        interop.from_torch(Branching())


def test_the_default_tensor_type_is_left_as_it_was() -> None:
    interop.from_torch(tn.Linear(2, 2))
    assert nn.Linear(2, 2).type() == "torch.DoubleTensor"


def test_a_table_of_one_stays_a_table() -> None:
    class One(tn.Module):
        def forward(self, x: Any) -> Any:
            return (x * 2,)

    net = interop.from_torch(One())
    assert [entry.tolist() for entry in net.forward(np.ones(2))] == [[2.0, 2.0]]
    assert net.backward(np.ones(2), [np.array([1.0, 3.0])]).tolist() == [2.0, 6.0]


def test_what_a_traced_module_does_not_use_is_left_out() -> None:
    class Partly(tn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.cell = tn.Linear(3, 8), tn.LSTMCell(3, 4)

        def forward(self, x: Any) -> Any:
            first, _ = self.linear(x).chunk(2, dim=1)
            torch.tanh(first)
            h, _ = self.cell(x)
            return first + h

    module = Partly().double()
    x = torch.randn(2, 3, dtype=torch.float64)
    found = interop.from_torch(module).forward(x.numpy())
    assert largest([found], [module(x).detach().numpy()]) < 1e-12
