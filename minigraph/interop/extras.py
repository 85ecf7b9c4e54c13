"""Optional packages: imported when they are needed, with an error that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any

from minigraph.errors import MissingExtraError


def require(module: str, extra: str) -> Any:
    """Return an optional module; raise ``MissingExtraError`` naming the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise MissingExtraError(
            f"{package} is not installed: python -m pip install 'minigraph[{extra}]' ({error})"
        ) from error
