"""S2: a small file cannot take the machine: little time and memory until it is refused."""

import io
import json
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

MEMORY_MB, SECONDS = 200, 2

CHILD = f"""
import resource, sys, time
from pathlib import Path
from tests.security.test_code_execution import READERS, REFUSALS

def refusal(path):
    try:
        READERS[path.name](path)
    except REFUSALS as error:
        return str(error).splitlines()[0]

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

files = [Path(name) for name in sys.argv[1:]]
# What is imported late is imported by the first of them, which is harmless.
refusal(files[0])
before = peak_mb()
for path in files[1:]:
    limit = int(time.process_time()) + {SECONDS} + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    print(path.parent.name, "|", refusal(path), flush=True)
print("MB:", round(peak_mb() - before))
"""


def weights(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(start, end, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def empty_tensors(count):
    """A header of so many tensors that hold nothing, which the format allows."""
    text = ",".join(
        f'"t{n}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for n in range(count)
    )
    return weights(f"{{{text}}}".encode())


WEIGHTS = {
    "offsets that overlap": lambda: weights({"a": tensor(0, 4), "b": tensor(2, 6)}, bytes(6)),
    "a shape that overflows": lambda: weights({"a": tensor(0, 4, (2**62, 2**62))}, bytes(4)),
    "a header of 100 MB": lambda: weights(b"{" + b" " * (100_000_000 - 2) + b"}"),
    "10^5 tensors": lambda: empty_tensors(10**5),
    "10^6 tensors": lambda: empty_tensors(10**6),
}


def npz(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as stream:
                for part in content:
                    stream.write(part)
    return packed.getvalue()


def npy_header(shape, dtype="|u1"):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return header.getvalue()


def arrays_called(name):
    return {
        "a claim of 1 PB": lambda: npz(**{name: [npy_header((2**50,))]}),
        "640 MB of zeros": lambda: npz(
            **{name: [npy_header((640 * 2**20,)), *([bytes(2**24)] * 40)]}
        ),
        "a header of 100 MB": lambda: npz(
            **{name: [b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**8), *([b" " * 10**6] * 100)]}
        ),
    }


PLACES = {
    "model.safetensors": WEIGHTS,
    "weights.safetensors": WEIGHTS,
    "optimiser.safetensors": WEIGHTS,
    "overlay.npz": arrays_called("image"),
    "predictions.npz": arrays_called("case_ids"),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_bombs_are_refused_at_small_cost(tmp_path, child_environment, place):
    files = []
    for name, content in {"nothing": lambda: b"nothing", **PLACES[place]}.items():
        files.append(tmp_path / name / place)
        files[-1].parent.mkdir()
        files[-1].write_bytes(content())
    run = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, files)],
        env=child_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    *told, used = run.stdout.splitlines() or [run.stderr]
    # One that takes too long is killed, and tells nothing.
    assert [line.partition(" | ")[0] for line in told] == list(PLACES[place]), run.stderr
    assert not [line for line in told if line.endswith("| None")]
    assert float(used.removeprefix("MB:")) < MEMORY_MB
