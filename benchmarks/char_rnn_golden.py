"""The whole run of Torch7's char-rnn, loss for loss, and its validation loss at iteration 300.

The trainer that ``minigraph train`` runs trains on the data with the flags in the file of Torch7's
losses. Then the step is unrolled by hand without a copy of the carried-over state, as the
published code does it. The largest differences are printed; the exit status is 1 if one is too
large (1e-6; 5e-5 for the validation loss, of which four digits are known).

    python benchmarks/char_rnn_golden.py --data tinyshakespeare.txt
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Sequence

import numpy as np

from minigraph import text

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples"))

from char_rnn_aliasing import Unrolled  # noqa: E402

LOSS_TOLERANCE, VALIDATION_TOLERANCE = 1e-6, 5e-5


def report(what: str, mine: Sequence[float], theirs: Sequence[float], tolerance: float) -> bool:
    """Print the largest difference and where it is; return whether it is small enough."""
    differences = np.abs(np.subtract(mine, theirs))
    worst = int(differences.argmax())
    good = bool(differences[worst] < tolerance)
    print(
        f"{what}: {len(differences)} value(s), largest difference {differences[worst]:.1e} (number "
        f"{worst + 1}: {mine[worst]:.8f}, Torch7 {theirs[worst]:.8f}) {'ok' if good else 'TOO LARGE'}"
    )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", metavar="FILE", required=True, help="tinyshakespeare's input.txt")
    parser.add_argument(
        "--golden", metavar="FILE", default=HERE.parent / "tests" / "golden" / "char_rnn.json",
        help="Torch7's losses and flags (default: %(default)s)",
    )
    given = parser.parse_args()
    golden = json.loads(Path(given.golden).read_text(encoding="utf-8"))
    options = text.TrainingOptions(**{k: v for k, v in golden["flags"].items() if k != "data"})
    corpus = text.Corpus.from_file(given.data)
    theirs, aliased = golden["train_loss"], golden["train_loss_published_code"]
    validations = {int(iteration): loss for iteration, loss in golden["val_loss"].items()}

    start = time.perf_counter()
    trainer = text.Trainer(corpus, options)
    for iteration in range(1, max(len(theirs), *validations) + 1):
        trainer.step()
        if iteration in validations:
            trainer.validate()
    print(f"{trainer.iteration} iterations and validation in {time.perf_counter() - start:.1f} s")
    losses = Unrolled(corpus, options, copying=False).losses(len(aliased))
    good = [
        report("train_loss", trainer.losses[: len(theirs)], theirs, LOSS_TOLERANCE),
        report("train_loss_published_code", losses, aliased, LOSS_TOLERANCE),
        report(
            "validation", [loss for _, loss in trainer.validations], list(validations.values()),
            VALIDATION_TOLERANCE,
        ),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
