"""Failures on the command line: one line, exit status 2, and the traceback on demand."""

from __future__ import annotations

import traceback
from typing import Any, Optional

import click

from minigraph.errors import MinigraphError

_TRACEBACK = "minigraph.traceback"


class Failure(click.ClickException):
    """Something the user can put right, said in one line on stderr; exit status 2."""

    exit_code = 2

    def __init__(self, message: str, cause: Optional[BaseException] = None) -> None:
        super().__init__(one_line(message))
        self.__cause__ = cause

    def show(self, file: Any = None) -> None:
        click.echo(f"minigraph: {self.message}", file=file, err=file is None)


class Command(click.Command):
    """A command with the option ``--traceback``; whatever it raises ends as a ``Failure``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--traceback"], is_flag=True, expose_value=False, callback=_remember,
                help="Show the Python traceback of an error.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.UsageError, BrokenPipeError):
            raise
        except Exception as error:
            failure = error if isinstance(error, Failure) else Failure(describe(error), error)
            if ctx.meta.get(_TRACEBACK):
                traceback.print_exception(failure.__cause__ or failure)
            raise failure from failure.__cause__


class OneLineCommand(Command):
    """A command that answers wrong flags in one line too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            message = f"{error.format_message()} ({ctx.command_path} --help lists the options)"
            raise Failure(message) from error


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_TRACEBACK] = value


def describe(error: BaseException) -> str:
    """Say what an exception says, in one line, with its type where that is not our own."""
    if isinstance(error, MinigraphError):
        return one_line(str(error))
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    message = one_line(str(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def one_line(message: str) -> str:
    """Join the lines of a message."""
    return "; ".join(line.strip() for line in message.splitlines() if line.strip())
