"""Second looks: ways to choose a question's label, compared by `second_look.py` where the truth is known. Pure.

Each file is one way, a `SecondLook` with its paper id; LOOKS lists them all. They read what was drawn and draw
nothing. One that raises the precision of labels by five points at equal coverage may become a setting. Example:
    Majority().look(draws, votes=8)      # Looked(answer_key="n:12", confidence=0.75, is_label=True, tokens=1320, ...)
"""

from second_looks.agreeing_halves import AgreeingHalves
from second_looks.answer_check import AnswerCheck
from second_looks.draws import Drawn, Draws, Looked, SecondLook
from second_looks.equations import NoFalseEquation, WinnerWithoutFalseEquation
from second_looks.majority import Majority
from second_looks.question_check import QuestionCheck
from second_looks.two_prompts import TwoPrompts

PLAIN = Majority()
"""What the others are compared with."""
LOOKS: tuple[SecondLook, ...] = (
    AgreeingHalves("reworded"),
    AgreeingHalves("second"),
    AgreeingHalves("bare"),
    TwoPrompts("reworded"),
    TwoPrompts("second"),
    QuestionCheck(),
    AnswerCheck(),
    WinnerWithoutFalseEquation(),
    NoFalseEquation(),
)

__all__ = ["LOOKS", "PLAIN", "Drawn", "Draws", "Looked", "SecondLook"]
