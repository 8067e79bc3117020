"""What commands wrote and research/results/ keeps, and of which models it is."""

import json
from functools import cache
from pathlib import Path

from metamer.codec.errors import ModelError
from metamer.codec.network.model import load_model, shipped_models

ROOT = Path(__file__).parents[1]


def result_path(name: str, folder: str) -> Path:
    """Where results of that name are: research/results/FOLDER/NAME.json."""
    return ROOT / "research" / "results" / folder / f"{name}.json"


def read_results(name: str, folder: str = "perception"):
    """The JSON of research/results/FOLDER/NAME.json."""
    return json.loads(result_path(name, folder).read_text())


@cache
def shipped_ids() -> dict[str, str]:
    """Id → name of every shipped model."""
    return {load_model(path.stem).id.hex(): path.stem for path in shipped_models()}


def current_name(codec: str, model_id: str) -> str:
    """What a codec is called now: `base+pim` as `old+pim`, if its model ships as `old` by now.

    Raises:
        ModelError: The model does not ship any more. Measure again with one that does.
    """
    if model_id not in shipped_ids():
        raise ModelError(
            f"recorded results are of the model {model_id}, called {codec}, which does not ship; "
            "measure again with one that does"
        )
    _, plus, decoder = codec.partition("+")
    return shipped_ids()[model_id] + plus + (Path(decoder).stem if "/" in decoder else decoder)
