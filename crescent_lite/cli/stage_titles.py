"""What each stage is called on a terminal. Apart from `progress`, whose library takes long to load.

Example: TITLES["vote"] -> "voting"
"""

from __future__ import annotations

TITLES = {
    "ask": "asking questions",
    "vote": "voting",
    "train": "fine-tuning",
    "evaluate": "evaluating",
    "second_opinion": "second opinions",
}
"""What each stage is called on stderr."""
