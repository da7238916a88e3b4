"""Make a sweep's images ready: python workflow/images.py '["lfw", "data", [[156, 128]], false]'

The list is what `data.prepare` takes: data set, data root, sizes, strict. Prints the number of images of each split as
JSON; what is wrong, or left out, is one line on stderr.
"""

import json
import sys
import warnings

from innae_utils import data

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        json.dump(data.prepare(*json.loads(sys.argv[1])), sys.stdout)
    except data.DataError as error:
        sys.exit(str(error))
for said in dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning):
    print(said, file=sys.stderr)
