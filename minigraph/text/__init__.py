"""The language-model application: char-rnn's training and sampling, with checkpoints that resume."""

from minigraph.text.batches import Batches
from minigraph.text.checkpoint import (
    Checkpoint,
    CheckpointError,
    read_checkpoint,
    read_structure,
    write_checkpoint,
)
from minigraph.text.corpus import Corpus, Vocabulary
from minigraph.text.facts import RunFacts
from minigraph.text.folder import Folder
from minigraph.text.group import Alone, Group
from minigraph.text.model import CharModel, build_model
from minigraph.text.options import TrainingOptions
from minigraph.text.reporter import Reporter
from minigraph.text.run import Result, train
from minigraph.text.sampling import Sampler
from minigraph.text.sources import read_model, trained_model
from minigraph.text.trainer import Step, Trainer

__all__ = [
    "Alone", "Batches", "CharModel", "Checkpoint", "CheckpointError", "Corpus", "Folder", "Group",
    "Reporter", "Result", "RunFacts", "Sampler", "Step", "Trainer", "TrainingOptions", "Vocabulary",
    "build_model", "read_checkpoint", "read_model", "read_structure", "train", "trained_model",
    "write_checkpoint",
]


def __dir__() -> list[str]:
    return __all__
