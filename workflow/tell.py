"""Say in one line what a finished run came to: python workflow/tell.py RESULT.json"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    row = json.loads(Path(sys.argv[1]).read_text())
    print(
        f"{row['dataset']} {row['model']} ({row['recipe']}), bottleneck {row['bottleneck']}, seed {row['seed']}: "
        f"test L1 {row['test_l1']:.4f} after {row['seconds']:.0f} s",
        flush=True,
    )
