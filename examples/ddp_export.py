"""Train a network of nodes on several processes: exported, the training is PyTorch's own.

PyTorch's DistributedDataParallel runs the exported module in two processes (gloo, on the CPU).
Each sees half of every batch; gradients are averaged between them. The losses and the trained
parameters are those of minigraph itself, in one process on whole batches.

    python examples/ddp_export.py

Needs PyTorch (python -m pip install 'minigraph[torch]'); without it this says so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import minigraph as mg
from minigraph import nn

PROCESSES, STEPS, BATCH, RATE = 2, 25, 32, 0.2


def network() -> nn.gModule:
    """Return a gated layer with a residual connection, always with the same parameters."""
    mg.manualSeed(5)
    x = nn.Identity()()
    gate = nn.Sigmoid()(nn.Linear(6, 6)(x))
    candidate = nn.Tanh()(nn.Linear(6, 6)(x))
    hidden = nn.CAddTable()([x, nn.CMulTable()([gate, candidate])])
    prediction = nn.Linear(6, 2)(hidden)
    mg.annotateNodes()
    return nn.gModule([x], [prediction])


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs ``(BATCH, 6)`` and targets ``(BATCH, 2)``."""
    rng = np.random.default_rng(step)
    x = rng.normal(size=(BATCH, 6))
    return x, np.stack([np.sin(x[:, 0]) * x[:, 1], x[:, 2:].mean(1)], axis=1)


def train_here() -> tuple[list[float], list[np.ndarray]]:
    """Train with minigraph alone; return the losses and the parameters."""
    net, criterion = network(), nn.MSECriterion()
    losses = []
    for step in range(STEPS):
        x, y = batch(step)
        losses.append(criterion.forward(net.forward(x), y))
        net.zeroGradParameters()
        net.backward(x, criterion.backward(net.output, y))
        net.updateParameters(RATE)
    return losses, net.parameters()[0]


def train_shard(rank: int, folder: str) -> None:
    """Train the exported network on this process's part of every batch; leave what came of it."""
    import torch
    import torch.distributed as distributed
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=Path(folder, "rendezvous").as_uri(), rank=rank, world_size=PROCESSES
    )
    model = DistributedDataParallel(mg.interop.to_torch(network()))
    optimiser = torch.optim.SGD(model.parameters(), RATE)
    losses = []
    for step in range(STEPS):
        x, y = (torch.from_numpy(array[rank::PROCESSES]) for array in batch(step))
        loss = torch.nn.functional.mse_loss(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    parameters = {name: p.detach().numpy() for name, p in model.module.named_parameters()}
    np.savez(Path(folder, f"{rank}.npz"), losses=losses, **parameters)
    del model, optimiser, loss  # what still refers to the group ends before it does
    distributed.barrier()
    distributed.destroy_process_group()


def train_apart() -> tuple[list[float], list[dict[str, np.ndarray]]]:
    """Train in two processes; return the mean losses and each process's parameters by name."""
    import torch.multiprocessing as multiprocessing

    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(train_shard, (folder,), nprocs=PROCESSES)
        results = [dict(np.load(Path(folder, f"{rank}.npz"))) for rank in range(PROCESSES)]
    losses = np.mean([result.pop("losses") for result in results], axis=0)
    return losses.tolist(), results


def main() -> None:
    try:
        import torch.distributed as distributed
    except ImportError:
        print("PyTorch is not installed: python -m pip install 'minigraph[torch]'")
        return
    if not distributed.is_available():
        print("this PyTorch was built without torch.distributed")
        return
    losses, parameters = train_here()
    shared, trained = train_apart()
    for step in (0, STEPS // 2, STEPS - 1):
        here, there = losses[step], shared[step]
        print(f"step {step + 1:2d}: loss {here:.6f} here, {there:.6f} in {PROCESSES} processes")
    first, second = trained
    print("the processes agree:", all(np.array_equal(first[name], second[name]) for name in first))
    difference = max(float(np.abs(a - b).max()) for a, b in zip(parameters, first.values()))
    print(f"trained parameters, largest difference: {difference:.1e}")
    assert losses[-1] < losses[0] / 2 and np.allclose(losses, shared, rtol=1e-9) and difference < 1e-9


if __name__ == "__main__":
    main()
