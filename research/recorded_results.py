"""What commands wrote and research/results/ keeps."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def read_results(name: str, folder: str = "perception"):
    """The JSON of research/results/FOLDER/NAME.json."""
    return json.loads((ROOT / "research" / "results" / folder / f"{name}.json").read_text())
