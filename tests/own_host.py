"""A host of its own for a program that starts a Ray instance: two on one host hang each other."""

import subprocess

MOUNTS = (
    "ip link set lo up 2>/dev/null || ifconfig lo up; mount -t tmpfs tmpfs /dev/shm; "
    # Whoever looks for a Ray reads there which one was started last.
    "for sessions in /tmp/ray /tmp/voxsiam-$(id -u); do "
    "mkdir -p $sessions; mount -t tmpfs -o mode=700 tmpfs $sessions; done; "
    'exec "$@"'
)
ALONE = [
    *("unshare", "--map-root-user", "--net", "--mount", "--pid", "--mount-proc"),
    # What goes on inside ends with whoever began it.
    *("--fork", "--kill-child"),
]


def on_a_host_of_its_own():
    """Return the words that stand before the program's; none where the kernel lets no user."""
    words = [*ALONE, "sh", "-c", MOUNTS, "host"]
    tried = subprocess.run([*words, "true"], check=False, capture_output=True)
    return words if tried.returncode == 0 else []
