"""Coverage-guided fuzzing of ``load_t7``: only ``T7Error`` may come out, soon and in little memory.

Not a test of the suite. It needs atheris (``pip install atheris``)::

    python tests/fuzz_t7.py --seeds corpus
    python tests/fuzz_t7.py corpus -max_total_time=600 -timeout=10 -rss_limit_mb=1024 -max_len=4096

The first line fills a folder with small files to start from. Every input is read with and without
references, and with functions skipped.
"""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).parent


def read(data: bytes) -> None:
    """Read ``data`` in both ways, and as several objects; anything but a T7Error goes through."""
    from minigraph.errors import T7Error
    from minigraph.files.t7.load import read_t7

    for referenced, several in ((True, False), (False, True)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an order of nodes that is not nngraph's
                read_t7(io.BytesIO(data), None, referenced, skip_functions=True, several=several)
        except T7Error:
            continue


def nets() -> list[Callable[[], Any]]:
    """Return makers of small values to start from."""
    import numpy as np

    from minigraph import nn

    def graph() -> Any:
        x, y = nn.Identity()(), nn.Identity()()
        a, b = nn.SplitTable(2)(nn.JoinTable(2)([x, y]).annotate(name="join")).split(2)
        return nn.gModule([x, y], [nn.CAddTable()([a, b]), nn.Linear(2, 1)(x)])

    def chain() -> Any:
        x = nn.Identity()()
        return nn.gModule([x], [nn.Tanh()(x)])

    return [
        graph, chain,
        lambda: nn.Sequential().add(nn.Linear(2, 1)).add(nn.ReLU()).add(nn.Dropout(0.2)),
        lambda: [nn.PartialLinear(2, 2), nn.WeightNorm(nn.Linear(2, 1)), nn.Transpose((1, 2))],
        lambda: [nn.BatchNormalization(2), nn.Convert("bf", "fb"), nn.CReLU(1), nn.Maxout(1, 2, 2)],
        lambda: [nn.SpatialConvolution(1, 1, 2, 2), nn.SpatialMaxPooling(2, 2), nn.Reshape(1, 2)],
        lambda: [nn.LayerNormalization(2), nn.MapTable(nn.Add(1)), nn.UpSampling(2)],
        lambda: [nn.GPU(nn.Tanh(), 1), nn.CrossEntropyCriterion(), nn.CriterionTable(nn.MSECriterion())],
        lambda: [nn.ClassNLLCriterion(), nn.MultiCriterion().add(nn.MSECriterion(), 0.5)],
        lambda: {"a": [1, 2.5, None, True], 3: np.arange(6.0).reshape(2, 3)[:, 1:], "s": b"\xff"},
    ]


def write_seeds(folder: Path) -> None:
    """Fill ``folder`` with small files in both encodings."""
    import minigraph as mg

    folder.mkdir(parents=True, exist_ok=True)
    for number, make in enumerate(nets()):
        for mode in ("binary", "ascii"):
            mg.save_t7(folder / f"{number}_{mode}.t7", make(), mode)
        mg.save_t7(folder / f"{number}_once.t7", {"x": 1} if number < 2 else make(), referenced=number < 2)
    (folder / "tds.t7").write_bytes(
        bytes.fromhex("04000000 01000000 03000000") + b"V 0\x07\0\0\0tds.Vec"
        + bytes.fromhex("0200000000000000 04000000 02000000 03000000") + b"V 0\x08\0\0\0tds.Hash"
        + bytes.fromhex("0100000000000000 02000000 01000000 61 05000000 01000000 00000000")
    )
    for name in ("values", "cyclic_shared"):
        (folder / f"{name}.t7").write_bytes((HERE / "golden" / "t7" / f"{name}.t7").read_bytes())


def main() -> None:
    if sys.argv[1:2] == ["--seeds"]:
        write_seeds(Path(sys.argv[2]))
        return
    import atheris

    with atheris.instrument_imports(include=["minigraph.files"]):
        import minigraph.files.t7.load  # noqa: F401
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
