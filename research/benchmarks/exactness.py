"""Do streams decode to the same latents with one thread, with two, and on a processor without AVX?

    python research/benchmarks/exactness.py FILE.mtm… [--model MODEL]

Prints a SHA-256 of the decoded latents for each; exit status 1 when any differ. Needs the package
installed or PYTHONPATH=. in a checkout. The processor without AVX is emulated by qemu-x86_64
(Debian: qemu-user), about a hundred times slower than the real one: give it small pictures. That
row is left out where qemu-x86_64 or an x86-64 host is missing.
"""

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys

import metamer
from metamer.codec.system import files

# The oldest processor that NumPy's x86-64-v2 wheels run on: SSE4.2, but no AVX, FMA, AVX2 or
# AVX-512. ONNX Runtime picks its kernels by what the processor says it has, so this runs others
# than any machine of the last decade does.
PROCESSOR = "Nehalem"
EMULATOR = "qemu-x86_64"
EMULATED = f"{PROCESSOR} (qemu)"


def digest(name: str, model: str | None, threads: int) -> str:
    """SHA-256 of the latents as little-endian int32. Raises MetamerError that names the file."""
    try:
        latents = metamer.decode_latents(files.read_file(name), model=model, threads=threads)
    except metamer.MetamerError as problem:
        raise metamer.MetamerError(f"{name}: {problem}") from None
    return hashlib.sha256(latents.astype("<i4").tobytes()).hexdigest()


def emulated_digests(names: list[str], model: str | None) -> list[str]:
    """The same with one thread in an emulated process. Raises RuntimeError with the last line of
    its complaint.
    """
    command = [EMULATOR, "-cpu", PROCESSOR, sys.executable, __file__, "--digests-only", *names]
    completed = subprocess.run(
        command + (["--model", model] if model else []), capture_output=True, text=True
    )
    digests = completed.stdout.split()
    if completed.returncode or len(digests) != len(names):
        complaint = completed.stderr.strip().splitlines() or [f"exit status {completed.returncode}"]
        raise RuntimeError(complaint[-1])
    return digests


def why_not_emulated() -> str | None:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return f"this interpreter is for {platform.machine()}, not x86-64"
    if not shutil.which(EMULATOR):
        return f"{EMULATOR} is not installed (Debian package qemu-user)"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="FILE.mtm")
    parser.add_argument("--model", help="model file to look in besides the shipped ones")
    parser.add_argument(
        "--digests-only",
        action="store_true",
        help="one thread, no comparison: what the emulator runs",
    )
    options = parser.parse_args()
    names, model = options.names, options.model
    try:
        rows = {"1 thread": [digest(name, model, 1) for name in names]}
        if options.digests_only:
            print("\n".join(rows["1 thread"]))
            return 0
        rows["2 threads"] = [digest(name, model, 2) for name in names]
    except metamer.MetamerError as problem:
        parser.error(str(problem))
    reason, failed = why_not_emulated(), False
    if reason is None:
        try:
            rows[EMULATED] = emulated_digests(names, model)
        except RuntimeError as problem:
            reason, failed = f"failed: {problem}", True
    agree = 0
    for index, name in enumerate(names):
        row_digests = {row: digests[index] for row, digests in rows.items()}
        same = len(set(row_digests.values())) == 1
        agree += same
        print(f"{name}: {'agree' if same else 'DIFFER'}")
        for row, value in row_digests.items():
            print(f"  {row:<16} {value}")
    if reason is not None:
        print(f"{EMULATED}: {reason if failed else 'left out: ' + reason}")
    print(f"{agree} of {len(names)} streams agree in {', '.join(rows)}")
    return 1 if failed or agree < len(names) else 0


if __name__ == "__main__":
    sys.exit(main())
