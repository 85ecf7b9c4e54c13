"""save_torch and ``minigraph convert``: files for others, that give the same numbers there."""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from interop_cases import as_torch, flat, is_criterion, largest, modules_of_the_registry, prepared
from lm_runs import corpus, options
from test_interop_graphml import network

import minigraph as mg
from minigraph import interop, nn
from minigraph.cli import main
from minigraph.errors import ArgumentError, ConversionError, FormatError
from minigraph.memory import root
from minigraph.tables import leaves
from minigraph.text import train

needs_torch = pytest.mark.torch


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def loaded(source: Path) -> Any:
    """Run the source in a module of its own and load the weights."""
    namespace: dict[str, Any] = {"__name__": "written", "__file__": str(source)}
    exec(compile(source.read_text(encoding="utf-8"), str(source), "exec"), namespace)
    return namespace["load"]()


#: What is not read back: results of a pass that PyTorch's layers keep and no file of ours does.
NOT_READ_BACK = {
    "SpatialMaxUnpooling", "VolumetricMaxUnpooling", "SpatialFractionalMaxPooling",
    "VolumetricFractionalMaxPooling",
}


@needs_torch
def test_every_kind_of_layer_is_written_as_source_and_comes_back(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    seen, path = set(), tmp_path / "layer.pt"
    for _, case in modules_of_the_registry():
        module, input = prepared(case)
        if case.name in seen or getattr(module, "stochastic_inference", False):
            continue
        try:
            made = interop.to_torch(module)
        except ConversionError:
            continue
        seen.add(case.name)
        _, source = interop.save_torch(module, path)
        assert "minigraph." not in source.read_text(encoding="utf-8").replace("minigraph.interop", "")
        written = loaded(source)
        with torch.no_grad():
            given = as_torch(torch, input)
            assert largest(flat(made(given)), flat(written(given))) == 0, case.name
        if case.name in NOT_READ_BACK:
            with pytest.raises(FormatError, match="minigraph cannot read this network back"):
                interop.load_torch(path)
            continue
        back = interop.load_torch(path)
        assert type(back) is type(module) and repr(back) == repr(module)
        assert largest(flat(module.forward(input)), flat(back.forward(input))) == 0, case.name
        # And after training in PyTorch.
        with torch.no_grad():
            for number, parameter in enumerate(written.parameters()):
                steps = torch.cos(number + torch.arange(parameter.numel()))
                parameter += 0.1 * steps.reshape(parameter.shape)
            wanted = [tensor.numpy() for tensor in flat_tensors(written(given))]
        torch.save(written.state_dict(), path)
        assert largest(wanted, flat(interop.load_torch(path).forward(input))) < 1e-12, case.name
    assert len(seen) > 150 and seen >= NOT_READ_BACK
    assert any(is_criterion(case) for _, case in modules_of_the_registry())


@needs_torch
def test_sharing_modes_and_loops_survive(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    mg.manualSeed(1)
    step, feedback = mg.rnn.lstm(3, 3, 2, dropout=0.5)
    net = nn.Sequential().add(mg.rnn.Unroll(step, feedback)).add(nn.SelectTable(-1))
    linear = nn.Linear(3, 3)
    net.add(nn.Bottle(nn.Sequential().add(linear).add(linear).add(nn.Dropout(0.3)))).float()
    net.modules[-1].evaluate()
    step.evaluate()
    _, source = interop.save_torch(net, tmp_path / "rnn.pt")
    back = loaded(source)
    rng = np.random.default_rng(0)
    input = [rng.normal(size=(4, 2, 3)), *(rng.normal(size=(2, 3)) for _ in range(4))]
    given = as_torch(torch, [entry.astype(np.float32) for entry in input])
    assert largest([net.forward(input)], [back(given).detach().numpy()]) < 1e-6
    assert back.training and not any(m.training for m in back.modules() if isinstance(m, torch.nn.Dropout))
    assert len(list(back.parameters())) == len(net.parameters()[0])


@needs_torch
def test_the_source_needs_no_minigraph(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    net = network()
    interop.save_torch(net, tmp_path / "model.pt")
    code = (
        "import sys; sys.modules['minigraph'] = None\n"
        "import model, torch\n"
        "print(model.load()(torch.ones(4, 3, dtype=torch.float64))[0].tolist())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert largest([net.forward(np.ones((4, 3)))[0]], [np.array(eval(result.stdout))]) < 1e-12


# -- and back ---------------------------------------------------------------------------------------

def flat_tensors(table: Any) -> list[Any]:
    return [leaf for _, leaf in leaves(table)]


@needs_torch
@pytest.mark.parametrize("flat_parameters", (True, False))
def test_a_network_with_loops_and_shared_weights_comes_back(flat_parameters: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    mg.manualSeed(1)
    words = nn.Identity()().annotate(name="words", description="indices")
    states = [nn.Identity()().annotate(name=f"state{k}") for k in range(2)]
    table, decoder = nn.LookupTable(6, 4), nn.Linear(4, 6)
    decoder.share(table, "weight", "gradWeight")
    # Sequences (T, B) of words: a table looked up in the step.
    word, c, h = (nn.Identity()().annotate(name=name) for name in ("word", "c", "h"))
    cell, _ = mg.rnn.lstm(4, 4)
    next_c, next_h = cell([table(word), c, h]).split(2)
    out = nn.LogSoftMax()(decoder(next_h)).annotate(name="out")
    step = nn.gModule([word, c, h], [out, next_c.annotate(name="nc"), next_h.annotate(name="nh")])
    loop = mg.rnn.Unroll(step, {"nc": "c", "nh": "h"})
    net = nn.gModule([words, *states], [loop([words, *states])]).float()
    if flat_parameters:
        net.getParameters()
    path, source = interop.save_torch(net, tmp_path / "rnn.pt")
    back = interop.load_torch(path)
    input = [np.array([[1, 6], [2, 2], [3, 1]]), *(np.ones((2, 4), np.float32) for _ in range(2))]
    assert largest(flat(net.forward(input)), flat(back.forward(input))) == 0
    assert back.dtype == np.float32 and repr(back) == repr(net)
    annotations = [[node.annotations for node in found.forwardnodes] for found in (net, back)]
    assert annotations[0] == annotations[1]
    assert len(back.parameters()[0]) == len(net.parameters()[0])
    trained = loaded(source)
    optimiser = torch.optim.SGD(trained.parameters(), 0.1)
    trained(as_torch(torch, input))[0].sum().backward()
    optimiser.step()
    torch.save(trained.state_dict(), path)
    wanted = [tensor.detach().numpy() for tensor in flat_tensors(trained(as_torch(torch, input)))]
    again = interop.load_torch(path)
    assert largest(wanted, flat(again.forward(input))) < 1e-6
    (looked_up,), decoders = (again.findModules(name)[0] for name in ("nn.LookupTable", "nn.Linear"))
    assert sum(np.shares_memory(looked_up.weight, linear.weight) for linear in decoders) == 1


@needs_torch
def test_a_python_file_of_someone_else_is_not_replaced(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "train.py").write_text("import torch\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match="train.py was not written by save_torch"):
        interop.save_torch(network(), tmp_path / "train.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]
    assert (tmp_path / "train.py").read_text(encoding="utf-8") == "import torch\n"
    for _ in range(2):
        interop.save_torch(network(), tmp_path / "model.pt")


@needs_torch
def test_parameters_on_one_flat_array_come_back(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    mg.manualSeed(1)
    net = nn.Sequential().add(nn.Linear(3, 4)).add(nn.BatchNormalization(4)).add(nn.Linear(4, 2)).evaluate()
    flat_parameters, _ = net.getParameters()
    back = interop.load_torch(interop.save_torch(net, tmp_path / "net.pt")[0])
    assert largest(net.parameters()[0], back.parameters()[0]) == 0
    owners = {id(root(parameter)) for parameter in back.parameters()[0]}
    assert len(owners) == 1 and flat_parameters.size == sum(p.size for p in back.parameters()[0])
    assert ',"data":"' not in (tmp_path / "net.py").read_text(encoding="utf-8").replace("\n#~ ", "")


@needs_torch
def test_what_is_not_ours_is_refused_and_nothing_is_executed(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path, source = interop.save_torch(network(), tmp_path / "a.pt")
    text = source.read_text(encoding="utf-8")

    def refused(words: str) -> None:
        with pytest.raises(FormatError, match=words):
            interop.load_torch(path)

    source.write_text("raise SystemExit('executed')\n" + text, encoding="utf-8")
    interop.load_torch(path)
    source.write_text(text[: text.index("# minigraph structure")], encoding="utf-8")
    refused("does not tell the structure")
    source.write_text(text.replace("structure 1 ", "structure 9 "), encoding="utf-8")
    refused("has version 9 of the structure, this minigraph reads version 1")
    source.write_text(text.rstrip()[:-7], encoding="utf-8")
    refused("its structure is damaged")
    source.write_text(text.replace("#~ {", "#~  {"), encoding="utf-8")
    refused("does not agree with its checksum")
    source.write_text(edited(text, "gradBias", "gradBious"), encoding="utf-8")
    refused("the structure makes no network: AttributeError")
    source.write_text(edited(text, '"float64"', '"({float64"'), encoding="utf-8")
    refused("its structure is damaged: .* is an array of '.{float64'")
    source.write_text(edited(text, '"shape":[', '"shape":[1000000,100000,'), encoding="utf-8")
    refused("larger than the state dict explains")
    source.write_text(edited(text, "nn.Linear", "os.system"), encoding="utf-8")
    refused("os.system")
    source.write_text(edited(text, "nn.Linear", "nn.Index!!"), encoding="utf-8")
    refused("not registered")
    source.write_text(edited(text, "nn.CAddTable", "nn.CMul"), encoding="utf-8")
    refused("the structure makes no network")
    source.write_text(text, encoding="utf-8")
    state = torch.load(path, weights_only=True)
    first = next(iter(state))
    torch.save({**state, "more": torch.ones(1)}, path)
    refused("is not of the network in a.py: it holds more")
    torch.save({**state, first: state[first][:1]}, path)
    refused(f"{first} is ")
    torch.save({key: tensor.float() for key, tensor in state.items()}, path)
    refused("torch.float32, the network in a.py has .* torch.float64")
    torch.save({key: tensor.bfloat16() for key, tensor in state.items()}, path)
    refused("torch.bfloat16")
    for odd in (torch.ones(1).expand(10**12), torch.ones(2, 2).to_sparse(), torch.ones(2, device="meta")):
        torch.save({**state, first: odd}, path)
        refused(f"{first} is no plain tensor")
    torch.save(loaded_without_weights(torch), path)
    refused("holds objects, which are not unpickled because that would run code")
    path.write_bytes(b"no such thing")
    refused("is no state dict")
    torch.save(state, path)
    source.unlink()
    refused("holds weights and no structure: a.py, which mg.interop.save_torch wrote")


def edited(text: str, old: str, new: str) -> str:
    """Return a source whose structure has ``new`` in place of the first ``old``, and a checksum of that."""
    code, mark, lines = text.partition("# minigraph structure")
    structure = "".join(line.removeprefix("#~ ") for line in lines.splitlines()[1:])
    assert old in structure
    structure = structure.replace(old, new, 1)
    checksum = hashlib.sha256(structure.encode()).hexdigest()[:32]
    return f"{code}{mark} 1 {checksum}:\n#~ {structure}\n"


def loaded_without_weights(torch: Any) -> Any:
    return torch.nn.Sequential(torch.nn.Linear(2, 2))


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Change, remove or insert a few bytes, or cut the end off."""
    work = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, kind = rng.randrange(len(work)), rng.randrange(8)
        if kind < 4:
            work[at] = rng.randrange(256)
        elif kind < 6:
            del work[at : at + rng.randint(1, 9)]
        elif kind < 7:
            work[at:at] = rng.randbytes(rng.randint(1, 5))
        else:
            del work[max(at, 1) :]
    return bytes(work)


def with_damaged_pickle(data: bytes, rng: random.Random) -> bytes:
    """Damage what a state dict says of its tensors, in a whole archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            pickled = entry.filename.endswith(".pkl")
            new.writestr(entry.filename, damaged(content, rng) if pickled else content)
    return target.getvalue()


def with_other_values(text: str, rng: random.Random) -> str:
    """Put something else in the place of some values of the structure, and the checksum of that."""
    code, mark, lines = text.partition("# minigraph structure")
    structure = "".join(line.removeprefix("#~ ") for line in lines.splitlines()[1:])
    for _ in range(rng.randint(1, 3)):
        spans = [match.span() for match in re.finditer(r'-?\d+|\\"[A-Za-z_.]+\\"|null|true|false', structure)]
        start, end = rng.choice(spans)
        other = rng.choice(["-1", "0", "2", "1e400", "9" * 25, "null", "[]", "{}", '\\"x\\"', "1000000000"])
        structure = structure[:start] + other + structure[end:]
    checksum = hashlib.sha256(structure.encode()).hexdigest()[:32]
    return f"{code}{mark} 1 {checksum}:\n#~ {structure}\n"


@needs_torch
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damage_of_any_kind_is_a_format_error(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    net = nn.Sequential().add(nn.SpatialConvolution(1, 2, 3, 3)).add(nn.SpatialBatchNormalization(2))
    path, source = interop.save_torch(net.add(nn.ReLU()), tmp_path / "a.pt")
    whole, text = path.read_bytes(), source.read_text(encoding="utf-8")
    rng, refused = random.Random(7), {"bytes": 0, "pickle": 0, "structure": 0}
    for number in range(240):
        kind = list(refused)[number % 3]
        path.write_bytes(damaged(whole, rng) if kind == "bytes" else
                         with_damaged_pickle(whole, rng) if kind == "pickle" else whole)
        source.write_text(with_other_values(text, rng) if kind == "structure" else text, encoding="utf-8")
        try:
            interop.load_torch(path)
        except FormatError as error:
            assert "a.pt" in str(error) or "a.py" in str(error)
            refused[kind] += 1
    assert all(count > 15 for count in refused.values())


@needs_torch
def test_a_packed_or_an_old_state_dict_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path, _ = interop.save_torch(network(), tmp_path / "a.pt")
    state = torch.load(path, weights_only=True)
    torch.save(state, path, _use_new_zipfile_serialization=False)  # which claims sizes before it has bytes
    with pytest.raises(FormatError, match="BadZipFile"):
        interop.load_torch(path)
    torch.save(state, path)
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    packed.replace(path)
    with pytest.raises(FormatError, match="its entries are compressed"):
        interop.load_torch(path)


# -- the command ------------------------------------------------------------------------------------


def convert(*arguments: Any) -> Any:
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


def test_between_torch7_and_native_files(tmp_path: Path) -> None:
    net = network()
    mg.save_t7(tmp_path / "a.t7", {"protos": {"rnn": net, "other": nn.Tanh()}, "opt": [1, 2]})
    result = convert(tmp_path / "a.t7", tmp_path / "b.safetensors", "--part", "protos.rnn")
    assert result.output.split() == [str(tmp_path / "b.safetensors")]
    result = convert(tmp_path / "b.safetensors", tmp_path / "c.t7")
    assert result.exit_code == 0, result.output
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert largest(net.forward(x), mg.load_t7(tmp_path / "c.t7").forward(x)) == 0
    assert convert(tmp_path / "c.t7", tmp_path / "d.graphml", "--input", "4x3").exit_code == 0
    assert "(4, 3)" in (tmp_path / "d.graphml").read_text(encoding="utf-8")


@needs_torch
def test_to_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    net = network()
    mg.save(tmp_path / "a.safetensors", net)
    result = convert(tmp_path / "a.safetensors", tmp_path / "b.pt")
    assert result.output.split() == [str(tmp_path / "b.pt"), str(tmp_path / "b.py")]
    x = np.random.default_rng(0).normal(size=(4, 3))
    found = loaded(tmp_path / "b.py")(torch.tensor(x))
    assert largest(net.forward(x), [tensor.detach().numpy() for tensor in found]) < 1e-12


@needs_torch
def test_from_pytorch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    net, x = network(), np.random.default_rng(0).normal(size=(4, 3))
    mg.save(tmp_path / "a.safetensors", net)
    assert convert(tmp_path / "a.safetensors", tmp_path / "b.pt").exit_code == 0
    result = convert(tmp_path / "b.pt", tmp_path / "c.t7")
    assert result.output.split() == [str(tmp_path / "c.t7")]
    assert largest(net.forward(x), mg.load_t7(tmp_path / "c.t7").forward(x)) < 1e-12
    (tmp_path / "b.py").unlink()
    result = convert(tmp_path / "b.pt", tmp_path / "d.t7")
    assert result.exit_code == 2 and "b.py, which mg.interop.save_torch wrote" in result.output
    assert result.output.count("\n") == 1 and not (tmp_path / "d.t7").exists()


@pytest.mark.onnx
def test_to_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    mg.save(tmp_path / "a.safetensors", network())
    assert "give --input" in convert(tmp_path / "a.safetensors", tmp_path / "b.onnx").output
    result = convert(tmp_path / "a.safetensors", tmp_path / "b.onnx", "--input", "4x3")
    assert result.exit_code == 0 and (tmp_path / "b.onnx").exists()
    result = convert(tmp_path / "a.safetensors", tmp_path / "d.onnx", "--input", "4x3", "--dtype", "float64")
    assert result.exit_code == 0
    assert (tmp_path / "d.onnx").stat().st_size > (tmp_path / "b.onnx").stat().st_size


def test_the_step_of_a_network_over_time_goes_to_torch7(tmp_path: Path) -> None:
    mg.manualSeed(1)
    net = mg.rnn.Unroll(*mg.rnn.lstm(2, 3))
    mg.save(tmp_path / "a.safetensors", net)
    result = convert(tmp_path / "a.safetensors", tmp_path / "b.t7")
    assert result.exit_code == 2 and "net.step" in result.output
    assert convert(tmp_path / "a.safetensors", tmp_path / "b.t7", "--part", "step").exit_code == 0
    input = [np.ones((4, 2)), np.ones((4, 3)), np.ones((4, 3))]
    assert largest(flat(net.step.forward(input)), flat(mg.load_t7(tmp_path / "b.t7").forward(input))) == 0


def test_a_checkpoint_of_training_is_a_network_too(tmp_path: Path) -> None:
    result = train(corpus(), options(dropout=0.5, max_iters=2), tmp_path / "cv")
    step = result.trainer.model.step
    assert convert(tmp_path / "cv" / "latest.safetensors", tmp_path / "b.t7").exit_code == 0
    input = [np.array([3, 5]), *[np.full((2, 6), 0.1)] * 4]
    step.evaluate()
    assert largest(flat(step.forward(input)), flat(mg.load_t7(tmp_path / "b.t7").forward(input))) == 0


def test_tables_that_hold_themselves(tmp_path: Path) -> None:
    table: dict[str, Any] = {"net": network()}
    table["again"] = [table]
    mg.save_t7(tmp_path / "a.t7", table)
    assert convert(tmp_path / "a.t7", tmp_path / "b.safetensors").exit_code == 0
    assert isinstance(mg.load(tmp_path / "b.safetensors"), nn.gModule)
    del table["net"]
    mg.save_t7(tmp_path / "a.t7", table)
    assert "is no network and holds none" in convert(tmp_path / "a.t7", tmp_path / "c.safetensors").output


def test_failures_are_one_line(tmp_path: Path) -> None:
    mg.save_t7(tmp_path / "two.t7", {"a": nn.Tanh(), "b": [nn.Tanh()]})
    for arguments, words in (
        ((tmp_path / "two.t7", tmp_path / "x.t7"), "give --part, one of a, b.1"),
        ((tmp_path / "two.t7", tmp_path / "x.t7", "--part", "c"), "has no network 'c'"),
        ((tmp_path / "two.t7", tmp_path / "x.h5", "--part", "a"), "cannot write files that end in '.h5'"),
        ((tmp_path / "none.t7", tmp_path / "x.t7"), "No such file"),
    ):
        result = convert(*arguments)
        assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1
    assert not (tmp_path / "x.t7").exists()
