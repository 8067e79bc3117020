"""What to install where a package is missing: the extras that name it. Importing this imports no
package itself.
"""

import re
from importlib.metadata import PackageNotFoundError, requires

DISTRIBUTION = "metamer-codec"
# module → distribution, where they differ
NAMES = {"pil": "pillow", "pycvvdp": "cvvdp", "yaml": "pyyaml"}
BUNDLES = ("dev", "docs", "fuzz", "peers")  # extras that name what others name, or nothing of ours
_REQUIREMENT = re.compile(r"([\w.-]+).*;.*extra == ['\"](\w+)['\"]")


def extras_with(module: str) -> list[str]:
    """Extras of ours that name the package which ``module`` is of, in their order.

    Examples:
        >>> extras_with("yaml")
        ['train']
        >>> extras_with("distributed.client")
        ['scale']
    """
    top = module.partition(".")[0].lower().replace("_", "-")
    distribution = NAMES.get(top, top)
    try:
        requirements = map(_REQUIREMENT.match, requires(DISTRIBUTION) or [])
    except PackageNotFoundError:  # a checkout that is not installed
        return []
    named = [match.groups() for match in requirements if match]
    return [extra for name, extra in named if name == distribution and extra not in BUNDLES]


def advice(module: str, package: str = "") -> str:
    """What to type where ``module`` cannot be imported.

    Args:
        module: Its name.
        package: What to install where no extra of ours names it; by default what is called so.

    Examples:
        >>> advice("ssimulacra2")
        "pip install 'metamer-codec[judges]'"
    """
    extras = ",".join(extras_with(module))
    return (
        f"pip install '{DISTRIBUTION}[{extras}]'" if extras else f"pip install {package or module}"
    )
