"""Give a run a GPU of its own: python workflow/slots.py GPUS SLOTS -- COMMAND...

Waits until one of SLOTS places on one of the cards GPUS (0,1,...) is free, takes it with a file lock, and becomes
COMMAND, with CUDA_VISIBLE_DEVICES set to that card. The locks lie in the temporary folder, so that several sweeps,
also of several users, share the cards; the system frees a lock when the command dies, however it dies.
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
    _everyones(folder.mkdir, folder, 0o777)
    while True:
        for slot in range(slots):  # the first place of every card before the second of any
            for gpu in gpus:
                path = folder / f"gpu{gpu}-slot{slot}"
                _everyones(path.touch, path, 0o666)
                lock = path.open("a")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    lock.close()
                else:
                    return gpu, lock
        time.sleep(wait)


def _everyones(make, path: Path, mode: int) -> None:
    """Make a folder or file that every user may write to, if it is not there; the umask would keep the others out."""
    try:
        make(exist_ok=False)
    except FileExistsError:
        return
    path.chmod(mode)


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
    cards = [line for line in listed.splitlines() if line.startswith("GPU ")]  # not the parts of a card (MIG) below it
    return [str(number) for number, _ in enumerate(cards)]


def cards(device: str) -> list[str]:
    """The GPUs that the runs of a sweep on a device (auto, cpu, cuda, mps) are given to; none if they use the CPU."""
    return visible() if device in ("auto", "cuda") else []


def main(arguments: list[str]) -> int:
    """Become the command in a place on a card; 2 if the arguments are wrong."""
    if len(arguments) < 4 or arguments[2] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    gpus, slots, _, *command = arguments
    gpu, lock = take(gpus.split(","), int(slots))
    os.set_inheritable(lock.fileno(), True)  # the lock is the command's from here on
    try:
        os.execvpe(command[0], command, {**os.environ, "CUDA_VISIBLE_DEVICES": gpu})
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
