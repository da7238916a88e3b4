"""Make a sweep's images ready: python workflow/images.py '["lfw", "data", [[156, 128]], false]'

The list is what `data.prepare` takes: data set, data root, sizes, strict. Prints it and the number of images of each
split as JSON; what is wrong, or left out, is one line on stderr.
"""

import json
import sys
import warnings
from pathlib import Path


def forget_others(path: Path, given: str) -> None:
    """Remove the note of what was made ready, if it is about other images than these, or cannot be read."""
    try:
        same = json.loads(path.read_text())["given"] == json.loads(given)
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        path.unlink()


def main(given: str) -> None:
    """Prepare and say so."""
    from innae_utils import data  # only here: the workflow is read often, and does without torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            counts = data.prepare(*json.loads(given))
        except data.DataError as error:
            sys.exit(str(error))
    json.dump({**counts, "given": json.loads(given)}, sys.stdout)
    for said in dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning):
        print(said, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
