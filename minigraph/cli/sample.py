"""``minigraph sample``: text from a checkpoint, printed as it is drawn."""

from __future__ import annotations

from pathlib import Path

import click

from minigraph.cli.failures import OneLineCommand


@click.command(cls=OneLineCommand)
@click.argument("checkpoint", metavar="CKPT", type=click.Path(path_type=Path))
@click.option("--primetext", default="", help="Text to go on from.")
@click.option(
    "--temperature", default=1.0, show_default=True,
    help="Below 1 likely characters become likelier; 0 always takes the likeliest.",
)
@click.option(
    "--length", default=2000, show_default=True,
    help="Number of characters to draw (of bytes, where the model is one of bytes).",
)
@click.option("--seed", default=123, show_default=True, help="Seed of the random numbers.")
def sample(checkpoint: Path, primetext: str, temperature: float, length: int, seed: int) -> None:
    """Write text from a model that minigraph train saved, or Torch7's char-rnn.

    CKPT is a checkpoint, a folder of which the newest is taken, or a .t7 file of char-rnn.
    """
    from minigraph import text
    from minigraph.text.sampling import Sampler

    found = text.read_model(checkpoint, lambda message: click.echo(f"minigraph: {message}", err=True))
    characters = Sampler(found).sample(length, primetext, temperature, seed)
    click.echo(primetext, nl=False)
    for character in characters:
        click.echo(character, nl=False)
    click.echo()
