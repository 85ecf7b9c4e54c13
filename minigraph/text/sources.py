"""Sources: where a trained model may come from, our checkpoints and char-rnn's own .t7 files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Union

from minigraph import nn, random
from minigraph.errors import ArgumentError, format_shape
from minigraph.files import load_t7
from minigraph.text.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from minigraph.text.facts import RunFacts
from minigraph.text.model import build_model
from minigraph.text.options import TrainingOptions


def read_model(path: Union[str, Path]) -> Checkpoint:
    """Return a checkpoint of ours, or one that Torch7's char-rnn saved (by the ending ``.t7``).

    Raises ``CheckpointError`` for a file that is neither, ``T7Error`` for a damaged ``.t7``.
    """
    path = Path(path)
    return _from_torch(path) if path.suffix == ".t7" else read_checkpoint(path)


def _from_torch(path: Path) -> Checkpoint:
    content = load_t7(path)
    try:
        network, given = content["protos"]["rnn"], content["opt"]
        numbers = {character: int(number) for character, number in content["vocab"].items()}
        iteration = int(content.get("i", 0))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint of char-rnn: expected a table with protos.rnn, opt and vocab"
        ) from error
    characters = sorted(numbers, key=lambda character: numbers[character])
    if [numbers[c] for c in characters] != list(range(1, len(characters) + 1)) or not all(
        isinstance(c, str) and len(c) == 1 for c in characters
    ):
        raise CheckpointError(f"{path}: vocab does not number single characters from 1 on")
    if not isinstance(network, nn.gModule):
        raise CheckpointError(f"{path}: protos.rnn is no nngraph network but {type(network).__name__}")
    options = _options(path, given, network)
    facts = RunFacts(
        iteration, 0, float(given.get("learning_rate", options.learning_rate)), options,
        "".join(characters), str(given.get("data_dir", path.name)), "", None,
    )
    return Checkpoint(path, _parameters(path, network, options, len(characters)), facts.to_structure())


def _options(path: Path, given: dict[str, Any], network: nn.gModule) -> TrainingOptions:
    """Return char-rnn's options as ours; those that we have and it lacks keep their defaults."""
    values = TrainingOptions().to_dict()
    for name, default in values.items():
        if name in given:
            values[name] = type(default)(given[name])
    values["dtype"] = str(network.dtype)
    try:
        return TrainingOptions.from_dict(values)
    except ArgumentError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _parameters(path: Path, network: nn.gModule, options: TrainingOptions, size: int) -> dict[str, Any]:
    """Return the network's parameters under the names that our model of these options has."""
    stream = random.getRNGState()
    ours = build_model(options, size).parameters()
    random.setRNGState(stream)
    theirs = network.parameters()[0]
    shapes = [format_shape(array.shape) for array in theirs]
    if shapes != [format_shape(array.shape) for array in ours.values()]:
        raise CheckpointError(
            f"{path}: its parameters {', '.join(shapes)} are not those of char-rnn's {options.model} "
            f"of {options.num_layers} x {options.rnn_size}"
        )
    return {f"parameters/{name}": array for name, array in zip(ours, theirs)}
