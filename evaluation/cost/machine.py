"""The machine that figures were measured on, and the libraries they were measured with."""

import hashlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path

from PIL import features

from metamer.codec.system import jobs

PACKAGES = (
    "metamer-codec",
    "numpy",
    "onnxruntime",
    "constriction",
    "pillow",
    "pillow-jxl-plugin",
    "torch",
    "compressai",
)
LIBRARIES = ("avif", "libjpeg_turbo", "webp", "jpg_2000")  # that Pillow was built with


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def conditions() -> dict[str, object]:
    """Processor, cores, system and versions, ready for JSON."""
    versions = {name: _version(name) for name in PACKAGES}
    versions |= {
        f"pillow's {name}": features.version(name) for name in LIBRARIES if features.check(name)
    }
    return {
        "cpu": processor(),
        "cores": jobs.available_cores(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version for name, version in versions.items() if version},
    }


def conditions_key(conditions: dict[str, object]) -> str:
    """A short name for conditions, the same for the same."""
    return hashlib.sha256(json.dumps(conditions, sort_keys=True).encode()).hexdigest()[:8]


def peak_memory() -> float | None:
    """Peak resident MiB of this process; None where the system does not tell.

    VmHWM, because getrusage's maximum would include the parent's from before the exec.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
