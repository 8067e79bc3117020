"""Photographs to train on: from folders, from shards, from the hub; held-out ones; crops of them.

`open_data` takes what ``--data`` names. A `Source` gives crops that depend on nothing but the seed
and a number, so that a resumed run sees what it would have seen.
"""

from metamer.train.data.crops import Batches, Crops, Plan, centre_crops
from metamer.train.data.folders import find
from metamer.train.data.opening import Data, Source, open_data
from metamer.train.data.photographs import Photographs

__all__ = [
    "Batches",
    "Crops",
    "Data",
    "Photographs",
    "Plan",
    "Source",
    "centre_crops",
    "find",
    "open_data",
]
