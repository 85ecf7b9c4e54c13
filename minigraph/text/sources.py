"""Sources: where a trained model may come from: our checkpoints, folders of them, char-rnn's .t7 files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Union

from minigraph import nn, random
from minigraph.errors import ArgumentError, format_shape
from minigraph.files import load_t7
from minigraph.text.checkpoint import Checkpoint, CheckpointError, parameters_of, read_checkpoint
from minigraph.text.facts import RunFacts
from minigraph.text.folder import Folder
from minigraph.text.model import CharModel, build_model
from minigraph.text.options import TrainingOptions


def read_model(
    path: Union[str, Path], warn: Callable[[str], None] = lambda message: None
) -> Checkpoint:
    """Return a checkpoint of ours, or one that Torch7's char-rnn saved (by the ending ``.t7``).

    Of a folder the newest checkpoint is taken; ``warn`` is told of those that cannot be read.
    Raises ``CheckpointError`` for a file that is neither, ``T7Error`` for a damaged ``.t7``.
    """
    path = Path(path)
    if path.is_dir():
        found = Folder(path).newest(warn)
        if found is None:
            raise CheckpointError(f"{path} holds no readable checkpoint")
        return found
    return _from_torch(path) if path.suffix == ".t7" else read_checkpoint(path)


def trained_model(checkpoint: Checkpoint) -> CharModel:
    """Return the model of a checkpoint, with its parameters, in evaluation.

    The random stream stays where it is. Raises ``CheckpointError`` where the checkpoint is not of a
    training run.
    """
    facts = RunFacts.of(checkpoint)
    stream = random.getRNGState()
    model = build_model(facts.options, len(facts.vocabulary))
    random.setRNGState(stream)
    model.load(parameters_of(checkpoint.arrays), str(checkpoint.path))
    model.step.evaluate()
    return model


def _from_torch(path: Path) -> Checkpoint:
    content = load_t7(path)
    try:
        network, given = content["protos"]["rnn"], content["opt"]
        numbers = {character: int(number) for character, number in content["vocab"].items()}
        iteration = int(content.get("i", 0))
        given = dict(given)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint of char-rnn: expected a table with protos.rnn, opt and vocab"
        ) from error
    ordered = sorted(numbers, key=lambda character: numbers[character])
    # A byte above 127, which is no text by itself, stands as Vocabulary has it.
    characters = [c.decode("utf-8", "surrogateescape") if isinstance(c, bytes) else c for c in ordered]
    if [numbers[c] for c in ordered] != list(range(1, len(ordered) + 1)) or not all(
        isinstance(c, str) and len(c) == 1 for c in characters
    ):
        raise CheckpointError(f"{path}: vocab does not number single characters, or bytes, from 1 on")
    if not isinstance(network, nn.gModule):
        raise CheckpointError(f"{path}: protos.rnn is no nngraph network but {type(network).__name__}")
    options = _options(path, given, network)
    structure = RunFacts(
        iteration, 0, float(options.learning_rate), options, "".join(characters),
        str(given.get("data_dir", path.name)), "", None,
    ).to_structure()
    numbered = {f"parameters/{k}": array for k, array in enumerate(network.parameters()[0])}
    RunFacts.of(Checkpoint(path, numbered, structure))  # they are as many as those of the model made now
    return Checkpoint(path, _parameters(path, network, options, len(characters)), structure)


def _options(path: Path, given: dict[str, Any], network: nn.gModule) -> TrainingOptions:
    """Return char-rnn's options as ours; those that we have and it lacks keep their defaults."""
    values = TrainingOptions().to_dict()
    for name in values.keys() & given.keys():
        try:
            values[name] = type(values[name])(given[name])
        except (ArithmeticError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: its option {name} is {given[name]!r:.60}") from error
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
