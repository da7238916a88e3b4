"""Give a run a GPU of its own: python workflow/slots.py GPUS SLOTS -- COMMAND...

Waits until one of SLOTS places on one of the cards GPUS (0,1,...) is free, holds it with a file lock while COMMAND runs
with CUDA_VISIBLE_DEVICES set to that card, and ends with the command's exit code. The locks lie in the temporary
folder, so that several sweeps share the cards; the system frees them when a process dies, however it dies.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

FOLDER = Path(tempfile.gettempdir()) / "innae-gpu-slots"


def take(gpus: list[str], slots: int, folder: Path = FOLDER, wait: float = 1.0) -> tuple[str, IO]:
    """(a card, the lock that holds one of its places): the emptiest card first; waits while all are full."""
    folder.mkdir(mode=0o777, exist_ok=True)
    while True:
        for slot in range(slots):  # the first place of every card before the second of any
            for gpu in gpus:
                lock = (folder / f"gpu{gpu}-slot{slot}").open("a")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    lock.close()
                else:
                    return gpu, lock
        time.sleep(wait)


def visible() -> list[str]:
    """The cards this process may use: CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists; none without it."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [name for name in names[: names.index("-1") if "-1" in names else None] if name]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(number) for number, _ in enumerate(listed.splitlines())]


def main(arguments: list[str]) -> int:
    """Run the command in a place on a card."""
    gpus, slots, separator, *command = arguments
    if separator != "--" or not command:
        print(__doc__, file=sys.stderr)
        return 2
    gpu, lock = take(gpus.split(","), int(slots))
    with lock:
        return subprocess.run(command, env={**os.environ, "CUDA_VISIBLE_DEVICES": gpu}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
