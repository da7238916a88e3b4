"""Make a sweep's images ready: python workflow/images.py '["lfw", "data", [[156, 128]], false]'

The list is what `data.prepare` takes: data set, data root, sizes, strict. Prints it and the number of images of each
split as JSON; what is wrong, or left out, is one line on stderr.
"""

import json
import sys
import warnings
from pathlib import Path


def forget_others(path: Path, given: list) -> None:
    """Remove the note of what was made ready, unless all of these images are in it."""
    if not path.exists():
        return
    try:
        noted = json.loads(path.read_text())["given"]
        there = noted[:2] == given[:2] and noted[3] == given[3] and all(size in noted[2] for size in given[2])
    except (ValueError, KeyError, TypeError, IndexError):
        there = False
    if not there:
        path.unlink()


def main(given: list) -> None:
    """Prepare and say so."""
    from innae_utils import data  # only here: the workflow is read often, and does without torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            counts = data.prepare(*given)
        except data.DataError as error:
            sys.exit(str(error))
    json.dump({**counts, "given": given}, sys.stdout)
    for said in dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning):
        print(said, file=sys.stderr)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
