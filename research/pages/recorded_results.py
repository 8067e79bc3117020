"""What commands wrote and research/results/ keeps, and the templates that it fills."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATES = Path(__file__).parent / "templates"


def read_results(name: str, folder: str = "perception"):
    """The JSON of research/results/FOLDER/NAME.json."""
    return json.loads((ROOT / "research" / "results" / folder / f"{name}.json").read_text())


def fill_template(name: str, fields: dict[str, str]) -> str:
    """A page: the template of that name with its {{fields}} filled."""
    text = (TEMPLATES / name).read_text()
    for field, value in fields.items():
        text = text.replace("{{" + field + "}}", value)
    return text
