"""Torch7's linear layers of sparse input, or with only some outputs, written for PyTorch.

Tables are lists, indices count from 1. This file needs only PyTorch: it is written in front of the
source of a converted network.
"""

from __future__ import annotations

import torch


class _Decay(torch.autograd.Function):
    """The identity of a parameter, whose gradient gets ``decay`` times the parameter added."""

    @staticmethod
    def forward(context, weight, decay):
        context.save_for_backward(weight)
        context.decay = decay
        return weight.clone()

    @staticmethod
    def backward(context, gradient):
        (weight,) = context.saved_tensors
        return gradient + context.decay * weight, None


def weighted_rows(weight, bias, samples, rows, values, batch):
    """Return, for each sample of a batch, the bias and its values times rows of ``weight``."""
    output = bias.expand(batch, len(bias))
    return output.index_add(0, samples, weight[rows] * values.unsqueeze(1))


def numbered(sizes, device):
    """Return the number of its sample for each entry, given how many entries the samples have."""
    counts = torch.as_tensor(sizes, dtype=torch.int64, device=device)
    return torch.repeat_interleave(torch.arange(len(counts), device=device), counts)


class SparseLinear(torch.nn.Module):
    """nn.SparseLinear: rows (index, value), as one sample, a table of samples or a batch (B, N, 2).

    No gradient goes back to the input. ``decay`` times the weight is added to its gradient.
    """

    def __init__(self, inputSize, outputSize, decay):
        super().__init__()
        self.decay = decay
        self.weight = torch.nn.Parameter(torch.zeros(outputSize, inputSize))
        self.bias = torch.nn.Parameter(torch.zeros(outputSize))

    def forward(self, input):
        single = not isinstance(input, (list, tuple)) and input.ndim == 2
        parts = [input] if single else list(input)
        pairs = torch.cat(parts).detach()
        filled = pairs[:, 1] != 0
        samples = numbered([len(part) for part in parts], pairs.device)[filled]
        keys, values = pairs[filled].unbind(1)
        weight = _Decay.apply(self.weight, self.decay) if self.decay else self.weight
        output = weighted_rows(weight.t(), self.bias, samples, zero_based_keys(keys), values, len(parts))
        return output[0] if single else output


def zero_based_keys(keys, offset=-1):
    """Return keys counted from 0; a key below the first is an error as one beyond the last is."""
    rows = keys.long() + offset
    if rows.numel() and int(rows.min()) < 0:
        raise IndexError(f"index {int(rows.min()) - offset} lies before the first, {-offset}")
    return rows


class IndexLinear(torch.nn.Module):
    """nn.IndexLinear: ``[keys, values]`` of a sample, tables of them, or ``[keys, values, sizes]``.

    No gradient goes back to the input. With ``normalize`` the weight starts with four columns: the
    largest absolute value of a key so far, its inverse, whether it was seen, and a learned offset.
    """

    def __init__(self, inputSize, columns, offset, normalize):
        super().__init__()
        self.offset, self.normalize = offset, normalize
        self.weight = torch.nn.Parameter(torch.zeros(inputSize, columns))
        self.bias = torch.nn.Parameter(torch.zeros(columns - (4 if normalize else 0)))

    def forward(self, input):
        keys, values = input[:2]
        single = len(input) == 2 and not isinstance(keys, (list, tuple))
        if len(input) == 3:
            sizes = input[2].reshape(-1).long()
        elif single:
            sizes = [len(keys)]
        else:
            sizes = [len(part) for part in keys]
            keys, values = torch.cat(list(keys)), torch.cat(list(values))
        rows, values = zero_based_keys(keys, self.offset), values.detach()
        if self.normalize:
            values = self.normalized(rows, values) + self.weight[rows, 3]
        weight = self.weight[:, 4:] if self.normalize else self.weight
        samples = numbered(sizes, values.device)
        output = weighted_rows(weight, self.bias, samples, rows, values, len(sizes))
        return output[0] if single else output

    @torch.no_grad()
    def normalized(self, rows, values):
        """Return values over the largest of their key, which training keeps up to date.

        Occurrences of one key count in order, so the n-th of every key are done together.
        """
        order = rows.sort(stable=True).indices
        ordered = rows[order]
        turns = torch.arange(len(rows), device=rows.device) - torch.searchsorted(ordered, ordered)
        result = torch.empty_like(values)
        for turn in range(int(turns.max()) + 1 if len(turns) else 0):
            now = order[turns == turn]
            state, value = self.weight[rows[now], :3], values[now]
            size = value.abs()
            if self.training:
                larger = size > state[:, 0]
                state[larger, 0] = size[larger]
                state[larger, 1] = 1 / size[larger]
                state[:, 2] = 1
                self.weight[rows[now], :3] = state
            result[now] = torch.where(size > state[:, 0], value.sign(), value * state[:, 1])
        return result


class PartialLinear(torch.nn.Linear):
    """nn.PartialLinear: the outputs named by ``partition``, or all."""

    def __init__(self, inputSize, outputSize, bias, chosen):
        super().__init__(inputSize, outputSize, bias)
        partition = None if chosen is None else torch.zeros(chosen, dtype=torch.int64)
        self.register_buffer("partition", partition)

    def forward(self, input):
        weight, bias = self.weight, self.bias
        if self.partition is not None:
            weight = weight[self.partition]
            bias = None if bias is None else bias[self.partition]
        return torch.nn.functional.linear(input, weight, bias)
