"""A command that ``mpiexec`` may start many times over: together they fail once, in one line."""

from __future__ import annotations

from typing import Any

import click

from minigraph.cli.failures import Failure, OneLineCommand, describe


class TogetherCommand(OneLineCommand):
    """A command that runs as one of a group: ``ctx.obj`` is the ``Group``.

    Under ``mpiexec`` an error is told by one process only, and a process that fails while the others
    go on ends them all.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except Failure as failure:
            # All processes were given the same words, and none has joined the group yet.
            from minigraph.text.mpi import launched

            launch = launched()
            if launch is not None and launch.rank > 0:
                raise click.exceptions.Exit(failure.exit_code) from failure
            raise

    def invoke(self, ctx: click.Context) -> Any:
        from minigraph.text.mpi import MPIGroup, join, launched

        try:
            ctx.obj = group = join()
        except Exception as error:
            launch = launched()
            if launch is not None and launch.local > 0:  # its host has told already
                raise click.exceptions.Exit(Failure.exit_code) from error
            raise Failure(describe(error), error) from error
        if not isinstance(group, MPIGroup):
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except Failure as failure:
            message = group.fail(failure.message, failure.exit_code)
            if message is not None:
                click.echo(f"minigraph: {message}", err=True)
            raise click.exceptions.Exit(failure.exit_code) from failure
        except (KeyboardInterrupt, click.Abort):
            group.fail("interrupted", 130)
            raise
