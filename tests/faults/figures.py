"""Adds up the figures of the fault bed.

python tests/faults/figures.py FILE
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path


def main(path: str) -> None:
    found = Counter[str]()
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        what, number = json.loads(line)
        found[what] += number
    for what, number in sorted(found.items()):
        print(f"{number:>8,}  {what}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
