"""from_torch of recurrent layers: batch first, both directions, plain RNNs, and inside traced modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop_cases import compare_with_torch, flat, largest

import minigraph as mg
from minigraph import interop, nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

tn = torch.nn
D, H, B, T = 3, 4, 2, 5


def layer_of(kind: str, **options: Any) -> Any:
    torch.manual_seed(2)
    return getattr(tn, kind)(D, H, **options, dtype=torch.float64)


def random(*shape: int) -> Any:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def squares(gradients: Any) -> float:
    return sum(float(np.square(np.asarray(gradient)).sum()) for gradient in gradients)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind, more", [
    ("LSTM", {}), ("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu", "bias": False}),
    ("LSTM", {"num_layers": 2, "bias": False}), ("GRU", {"num_layers": 3}), ("RNN", {"num_layers": 2}),
])
def test_layers_give_the_same_numbers_in_the_same_shapes(
    kind: str, more: dict[str, Any], both: bool, batch_first: bool
) -> None:
    layer = layer_of(kind, batch_first=batch_first, bidirectional=both, **more)
    net = interop.from_torch(layer)
    x = random(*((B, T, D) if batch_first else (T, B, D)))
    count = more.get("num_layers", 1) * (2 if both else 1)
    states = [random(count, B, H) for _ in range(2 if kind == "LSTM" else 1)]  # h, then c
    out, last = layer(x, tuple(states) if kind == "LSTM" else states[0])
    initial = [state[k].detach().numpy() for k in range(count) for state in reversed(states)]
    output = net.forward([x.detach().numpy(), *initial])
    output = output if isinstance(output, list) else [output]
    assert largest([output[-1]], [out.detach().numpy()]) < 1e-12

    sequences = output[:-1] if both else output
    at_end = [s[:, -1] if batch_first else s[-1] for s in sequences]
    at_start = [s[:, 0] if batch_first else s[0] for s in sequences]
    kinds = len(states)
    finals = [
        (at_start if both and k // kinds % 2 else at_end)[k] for k in range(count * kinds)
    ]
    ends = [last[1], last[0]] if kind == "LSTM" else [last]
    wanted_ends = [end[k].detach().numpy() for k in range(count) for end in ends]
    assert largest(finals, wanted_ends) < 1e-12

    g = torch.randn_like(out)
    wanted = torch.autograd.grad(out, [x, *states, *layer.parameters()], g)
    net.zeroGradParameters()
    gradients: Any = [None] * (len(output) - 1) + [g.numpy()]
    gradInput = net.backward([x.detach().numpy(), *initial], gradients if len(output) > 1 else g.numpy())
    assert largest([gradInput[0]], [wanted[0].numpy()]) < 1e-12
    of_states = [state[k].numpy() for k in range(count) for state in reversed(wanted[1 : 1 + kinds])]
    assert largest(gradInput[1:], of_states) < 1e-12
    mine = squares(net.parameters()[1])
    assert mine == pytest.approx(squares(wanted[1 + kinds :]), rel=1e-9)


def test_states_are_named_and_documented_order() -> None:
    net = interop.from_torch(layer_of("LSTM", num_layers=2, bidirectional=True))
    assert [node.name for node in net._network.inputs] == [
        "x", "prev_c1", "prev_h1", "prev_c1_reverse", "prev_h1_reverse",
        "prev_c2", "prev_h2", "prev_c2_reverse", "prev_h2_reverse",
    ]
    assert [node.name for node in net._network.outputs][-2:] == ["next_h2_reverse", "output"]


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_plain_cell_becomes_a_step(nonlinearity: str) -> None:
    layer = layer_of("RNNCell", nonlinearity=nonlinearity)
    x, h = random(B, D), random(B, H)
    mine = interop.from_torch(layer).forward([x.detach().numpy(), h.detach().numpy()])
    assert largest([mine], [layer(x, h).detach().numpy()]) < 1e-12


class Model(tn.Module):
    """What such modules look like: an embedding, recurrent layers, a decoder of all steps and of the last."""

    def __init__(self, kind: str, **options: Any) -> None:
        super().__init__()
        self.embed = tn.Embedding(7, D)
        self.layers = getattr(tn, kind)(D, H, **options)
        width = H * (2 if options.get("bidirectional") else 1)
        self.decode, self.last = tn.Linear(width, 6), tn.Linear(width, 2)
        self.batch_first = options.get("batch_first", False)

    def forward(self, indices: Any) -> Any:
        out, state = self.layers(self.embed(indices))
        h, c = state if isinstance(self.layers, tn.LSTM) else (state, state * 2)
        final = out[:, -1] if self.batch_first else out[-1]
        return self.decode(torch.tanh(out)), self.last(final), h[-1] + c[0]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("options", [
    {}, {"batch_first": True}, {"num_layers": 2, "bidirectional": True, "batch_first": True},
])
def test_traced_modules_may_hold_them(kind: str, options: dict[str, Any]) -> None:
    torch.manual_seed(4)
    module = Model(kind, **options).double()
    net = interop.from_torch(module)
    for shape in ((B, T), (3, 2)):
        indices = torch.randint(0, 7, shape)
        wanted = module(indices)
        g = [torch.randn_like(tensor) for tensor in wanted]
        found = torch.autograd.grad(wanted, list(module.parameters()), g)
        net.zeroGradParameters()
        output = net.forward(indices.numpy())
        assert largest(flat(output), [tensor.detach().numpy() for tensor in wanted]) < 1e-12
        net.backward(indices.numpy(), [gradient.numpy() for gradient in g])
        assert squares(net.parameters()[1]) == pytest.approx(squares(found), rel=1e-9)
    assert {"embed", "layers", "decode"} <= {node.name for node in net.forwardnodes}


class WithStates(tn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers, self.gru, self.cell = layer_of("LSTM", num_layers=2), tn.GRU(H, H), tn.RNNCell(H, H)

    def forward(self, x: Any, state: Any, h: Any) -> Any:
        first, (h_n, c_n) = self.layers(x, state)
        second, last = self.gru(first, hx=h)
        again, _ = self.layers(x, (h_n, c_n))
        return again, second, self.cell(last[0]), self.cell(first[0], h_n[1])


def test_states_go_in_and_out_of_traced_modules() -> None:
    module = WithStates().double()
    net = interop.from_torch(module)
    x, h0, c0, h = random(T, B, D), random(2, B, H), random(2, B, H), random(1, B, H)
    given = [x, h0, c0, h]
    wanted = module(x, (h0, c0), h)
    g = [torch.randn_like(tensor) for tensor in wanted]
    found = torch.autograd.grad(wanted, [*given, *module.parameters()], g)
    numbers = [tensor.detach().numpy() for tensor in given]
    input = [numbers[0], numbers[1:3], numbers[3]]
    net.zeroGradParameters()
    assert largest(net.forward(input), [tensor.detach().numpy() for tensor in wanted]) < 1e-12
    gradInput = net.backward(input, [gradient.numpy() for gradient in g])
    assert largest(flat(gradInput), [gradient.numpy() for gradient in found[:4]]) < 1e-12
    assert squares(net.parameters()[1]) == pytest.approx(squares(found[4:]), rel=1e-9)
    assert len(net.parameters()[0]) == len({id(p) for p in net.parameters()[0]})


def test_dropout_between_layers_is_kept() -> None:
    for both in (False, True):
        net = interop.from_torch(layer_of("GRU", num_layers=2, dropout=0.25, bidirectional=both))
        (dropout,) = [m for m in net.listModules() if isinstance(m, nn.Dropout)]
        assert dropout.p == 0.25 and dropout.train
        net = interop.from_torch(layer_of("GRU", num_layers=2, dropout=0.25, bidirectional=both).eval())
        assert not any(m.train for m in net.listModules())


def test_a_layer_in_a_sequential_starts_from_zeros() -> None:
    module = tn.Sequential(tn.Linear(D, D), layer_of("LSTM", batch_first=True)).double()
    x = random(B, T, D)
    out, (h, c) = module(x)
    net = interop.from_torch(module)
    mine = net.modules[1].forward(module[0](x).detach().numpy())
    assert largest(flat(mine), [tensor.detach().numpy() for tensor in (out, h, c)]) < 1e-12


def test_both_directions_go_to_pytorch_and_to_files(tmp_path: Path) -> None:
    net = interop.from_torch(layer_of("LSTM", bidirectional=True, batch_first=True))
    rng = np.random.default_rng(0)
    input = [rng.normal(size=(B, T, D)), *(rng.normal(size=(B, H)) for _ in range(4))]
    output = mg.tables.copy_table(net.forward(input))
    gradient = [rng.normal(size=entry.shape) for entry in output]
    assert compare_with_torch(torch, net, input, gradient) < 1e-9
    mg.save(tmp_path / "net.safetensors", net)
    assert largest(mg.load(tmp_path / "net.safetensors").forward(input), output) == 0


def test_linear_layers_around_sequences_take_all_time_steps() -> None:
    class Between(tn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.layers, self.gates = tn.Linear(2, D), tn.GRU(D, H), tn.Linear(H, 6)
            last = tn.Sequential(tn.LayerNorm(5), tn.Linear(5, 2))
            self.head = tn.Sequential(tn.Linear(3, 5), tn.ReLU(), last)

        def forward(self, x: Any) -> Any:
            out, _ = self.layers(torch.relu(self.first(x)))
            a, b = self.gates(out).chunk(2, dim=-1)
            return self.head(torch.sigmoid(a) * b)

    torch.manual_seed(5)
    module = Between().double()
    net, x = interop.from_torch(module), random(T, B, 2)
    wanted = module(x)
    g = torch.randn_like(wanted)
    (gradient,) = torch.autograd.grad(wanted, [x], g)
    assert largest([net.forward(x.detach().numpy())], [wanted.detach().numpy()]) < 1e-12
    assert largest([net.backward(x.detach().numpy(), g.numpy())], [gradient.numpy()]) < 1e-12
