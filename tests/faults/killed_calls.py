"""End a process with SIGKILL at its n-th file operation, before it or just after it."""

import os
import signal
import sys

FILE_CALLS = {
    "close", "fsync", "listdir", "mkdir", "open", "rename", "replace", "rmdir", "scandir",
    "serialize_file", "syscall", "unlink", "write", "renameat2",
}  # fmt: skip
"""Built-in functions that change or look at files; `serialize_file` is that of safetensors."""


def kill_at(number: int) -> None:
    """Arm this thread: of the calls of file operations and their returns, the n-th is the last."""
    left = [number]

    def on_event(frame, event, function):
        if event in ("c_call", "c_return") and function.__name__ in FILE_CALLS:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(on_event)


def count_calls() -> list[int]:
    """Count this thread's calls of file operations and their returns into a list of one."""
    counts = [0]

    def on_event(frame, event, function):
        counts[0] += event in ("c_call", "c_return") and function.__name__ in FILE_CALLS

    sys.setprofile(on_event)
    return counts


def start(job) -> int:
    """Call a job in a copy of this process; return the copy's number."""
    pid = os.fork()
    if pid == 0:
        try:
            job()
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return pid


def end_of(pid: int) -> int:
    """Wait for a copy; return its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def forked(job) -> int:
    """Call a job in a copy of this process and wait for it."""
    return end_of(start(job))
