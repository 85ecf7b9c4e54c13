"""``minigraph train``: a character-level language model."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, get_type_hints

import click

from minigraph.cli.failures import Failure, describe
from minigraph.cli.together import TogetherCommand
from minigraph.text.options import TrainingOptions, flag

_FROM_CHECKPOINT = ("model", "rnn_size", "num_layers")


class Stopped(Failure):
    """Training met a number that is not finite; exit status 1."""

    exit_code = 1


def _training_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add a flag for every option of a training run."""
    types = get_type_hints(TrainingOptions)
    for option in reversed(fields(TrainingOptions)):
        command = click.option(
            flag(option.name), option.name, type=types[option.name], default=option.default,
            show_default=True, help=option.metadata["words"],
        )(command)
    return command


@click.command(cls=TogetherCommand)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@_training_flags
@click.option(
    "--checkpoint-dir", type=click.Path(path_type=Path), default="cv", show_default=True,
    help="Folder of the checkpoints and the loss curve.",
)
@click.option(
    "--init-from", metavar="CKPT", type=click.Path(path_type=Path),
    help="Start with the parameters (and the shape) of this checkpoint, the newest of a folder, or a .t7 "
    "file of char-rnn.",
)
@click.option(
    "--log", metavar="FILE.jsonl", type=click.Path(path_type=Path),
    help="Write a line of JSON for every iteration and every validation.",
)
@click.option(
    "--compile/--no-compile", "compiled", default=True,
    help="Run the model as a compiled program (the default), or module by module.",
)
@click.pass_context
def train(
    ctx: click.Context, file: Optional[Path], checkpoint_dir: Path, log: Optional[Path],
    init_from: Optional[Path], compiled: bool, **values: Any,
) -> None:
    """Train a character-level language model on FILE, a text in UTF-8.

    Without FILE it trains on Python's own reference text. The flags are char-rnn's. Where
    --checkpoint-dir holds checkpoints of the same run, it goes on from the newest: after a crash or
    a kill give the same command again. Ctrl-C saves and stops. Started as mpiexec -n N minigraph
    train, N processes share the rows of every batch (extra mpi).
    """
    from minigraph import text
    from minigraph.errors import NumberError
    from minigraph.text.progress import progress_reporter

    vocabulary = None
    if init_from is not None:
        facts = text.RunFacts.of(text.read_model(init_from))
        given, vocabulary = facts.options.to_dict(), text.Vocabulary(facts.vocabulary)
        for name in _FROM_CHECKPOINT:
            if ctx.get_parameter_source(name) == click.core.ParameterSource.DEFAULT:
                values[name] = given[name]
    options = text.TrainingOptions(**values)
    corpus = (
        text.Corpus.reference(vocabulary) if file is None else text.Corpus.from_file(file, vocabulary)
    )
    asked: list[int] = []
    try:
        result = text.train(
            corpus, options, checkpoint_dir, log, init_from, ctx.obj, progress_reporter(),
            should_stop=lambda: bool(asked), compiled=compiled, iterating=_noting_signals(asked),
        )
    except NumberError as error:
        raise Stopped(describe(error), error) from error
    iteration = result.trainer.iteration
    if ctx.obj.rank > 0:
        pass  # rank 0 tells
    elif result.finished:
        click.echo(f"done after iteration {iteration}; the loss curve is {result.curve}")
    else:
        click.echo(f"stopped after iteration {iteration}; the same command goes on from there")
    if asked and not result.finished:
        ctx.exit(128 + asked[0])


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _noting_signals(asked: list[int]) -> Iterator[None]:
    """Note a signal in ``asked``; the second of them, and any before or after, ends the program at once."""

    def note(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    previous = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
