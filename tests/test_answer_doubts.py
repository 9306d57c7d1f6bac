"""A reply that takes back, denies, doubts or never reaches its answer has none; one that concludes keeps it."""

from __future__ import annotations

import pytest

from crescent_lite.answers import canonical_answer

TAKEN_BACK = (
    "The answer is 31. Hmm, that isn't right. I'll recalculate.",
    "\\boxed{77}\n\nOops, I made an error above, so that is incorrect.",
    "#### 19\nActually, please ignore the number above.",
    "<answer>6</answer>\nNo, that is not correct. Let me try again.",
    "**42**\n\nWait. That doesn't make sense.",
    "So there are 14 birds. Hmm, that seems too large. Let me recheck the numbers from the start.",
    "The result is 9. But this is impossible, since the number must be even.",
    "The final answer is 55. I retract that.",
    "I got 12, but I no longer believe it.",
    "The answer is 8. Forget what I just said.",
    "\\boxed{x = 4}\n\nBut x = 4 does not satisfy the original equation.",
    "Answer: 17\n\nWait, I think I misread the problem. I have to start from scratch.",
    "The total is 40. Oh no, I forgot to count the last row. Let me count again.",
    "#### 7\n\n(That is wrong. I will have to redo it.)",
)
DENIED = (
    "My answer of 21 is not correct.",
    "The answer 15 is wrong.",
    "15 is not the right answer.",
    "It is definitely not 12.",
    "I don't believe that 33 is the answer.",
    "I'm not convinced that it is 6.",
    "n = 7 can't be the solution.",
    "The answer isn't 10.",
    "30 is incorrect.",
    "So y = -2 is extraneous.",
    "The answer is certainly not 100.",
)
IN_OTHER_LANGUAGES = (
    "El resultado no es 14.",
    "Das Ergebnis ist nicht 21, sondern etwas anderes.",
    "Le total n'est pas 33.",
    "总数不是48。",
    "答案是 17。不对，我算错了。",
    "La suma es 25. Espera, eso está mal.",
    "Die Summe ist 90. Nein, das ist falsch.",
)
NUMBERED = (
    "The proof uses Theorem 4.",
    "Compare with Figure 12.",
    "Siehe Seite 88.",
    "The values are listed in Table 3.",
)
CUT_OFF = (
    "Sam had 12 marbles and lost 5, so he has 7. After that he",
    "There are 4 × 6 = 24 chairs. If each chair costs",
    "The width is 5 and the length is",
    "First, 20% of 150 is 30. Now we have to take",
    "Since f(2) = 7 and f(3) =",
    "We obtain 2x = 14, hence x =",
    "The perimeter is 2(5 + 3) = 16 cm, while the area is",
    "He walks 3 km in the morning, 4 km in the afternoon, and",
    "So the answer is",
    "Therefore, the answer is:",
    "The probability is 3/8 +",
    "The sum of the first 10 terms is 55 and the sum of the next",
    "That leaves 45 - 12 = 33 stickers. She gives half of these to her",
)
ANNOUNCED = (
    "Step 1: Find the cost of the pens: 4 × $2 = $8\nStep 2: Find the cost of the",
    "After 3 hours the tank contains 90 litres. The pump then removes 10 litres every",
    "I'll give you the answer in 5 minutes.",
    "I will solve this in 3 steps.",
    "There are 2 approaches to this problem. We begin with the algebraic one.",
    "To solve this, we need to follow 4 steps.",
    "We shall now consider 3 cases.",
    "Let me think about this. There are 12 months in a year.",
    "I'm going to use the formula with n = 10.",
    "First we need to find how much 6 tickets cost.",
    "We will use the fact that the angles sum to 180 degrees.",
    "Recall that a dozen is 12.",
    "Note that 1 km = 1000 m.",
    "There are 60 minutes in an hour. We can use this to convert.",
    "The problem tells us that Anna has 15 apples.",
    "We know that the train travels 60 km per hour.",
    "We are given that the perimeter is 24 cm.",
    "The question asks for the number of ways to choose 3 people from 10.",
    "You want to know how many tiles fit in a room of 20 square metres.",
    "Find the value of x if 2x + 3 = 11.",
    "Calculate 15% of 80.",
    "Multiply both sides by 6.",
)
REFERENCES_AND_PENDING = (
    "Divide both sides by 3 to isolate x.",
    "Next, subtract 7 from both sides.",
    "The first step is to find the LCM of 4 and 6, which is 12.",
    "See page 45.",
    "Refer to Figure 3 for details.",
    "This follows from Theorem 4.2.",
    "Error 404: page not found.",
    "RuntimeError: maximum recursion depth 1000 exceeded",
    "Timeout after 60 seconds.",
    "This question is worth 5 marks.",
    "Your request has 3 parts.",
    "I can only help with 1 question at a time.",
    "This exercise is from chapter 7.",
    "The test has 20 questions.",
    "It remains to consider the case n = 3.",
    "We still need to check x = 2.",
)
HEDGED = (
    "The case x = 5 has yet to be examined.",
    "The remaining 4 cases are similar and are left to the reader.",
    "This needs to be verified for n = 6.",
    "The value at n = 50 has to be computed.",
    "Now only the third term, 12, must be added.",
    "Maybe 14, maybe 15.",
    "Perhaps it is 6.",
    "It might be 12 or 13.",
    "It's either 4 or 5.",
    "The answer could be 10, but it could also be 20.",
    "I guess 50?",
    "Is it 25?",
    "Could it be 16? Or is it 18?",
    "If we count zero, there are 11; otherwise there are 10.",
    "If repetition is allowed the answer is 125. If not, it is 60. The question does not say.",
    "The answer is 12 or 15, I can't tell which.",
    "\\boxed{12} or \\boxed{13}, I'm not sure which.",
    "I am torn between 8 and 9.",
    "I have two candidates, 8 and 9, and I don't know which one is right.",
    "答案也许是 12，也许是 15。",
    "可能是 8 或 9。",
)
OPTIONS = (
    "答案可能是 30。我不确定。",
    "Peut-être 12, peut-être 15.",
    "Vielleicht ist es 7.",
    "Podría ser 7, o tal vez 9.",
    "Может быть 5, может быть 6.",
    "(A) 1/2 (B) 1/3 (C) 1/4 (D) 1/5",
)
EMPTY = (
    "A) 10\nB) 20\nC) 30\nD) 40",
    "A. 5\nB. 6\nC. 7\nD. 8",
    "Options: A) 3 B) 4 C) 5",
    "(A) is too small. (B) is possible. Let me check (C).",
    "Option A gives 4, which is not in the range.",
    "No, 25 is not right.",
    "No, try again.",
    "No, that's not it.",
    "No problem! Let me see.",
    "Yes, I can help with that.",
    "Yes, let me solve it.",
    "No idea.",
    "No, sorry.",
    "Yes or no?",
    '{"reasoning": "2+2=4", "answer": null}',
    '{"answer": ""}',
    '{"work": "3*4=12", "answer": "unknown"}',
    '{"answer": "N/A", "value": 7}',
    "Q: What is 5 + 7?\nA:",
    "Question: If Tom has 3 apples and buys 4, how many has he?\nAnswer:",
    "### Question\nWhat is 12 × 4?\n### Answer\n",
    "Problem: 3 + 4 = ?\nSolution:",
    "The answer is: ____",
    "The answer is [your answer here].",
    "The capital has 3 letters. The answer is Rome.",
    "Tom has 5 and Ann 7. Ann has more. The answer is Ann.",
    "5 days after Monday is **Saturday**.",
    "So 10 days after Friday it is Monday.",
    "The 3rd month after May is August.",
    "Sorry, I can't solve this; it has 3 unknowns.",
    "I tried x = 1, x = 2 and x = 3 without success.",
    "After 3 attempts I give up.",
    "I ran out of time after computing 45 terms.",
    "There is no solution among the first 100 integers.",
    "There is not enough information; 2 values are missing.",
    "The answer cannot be determined from the 2 equations.",
    "We have 3 equations and 4 unknowns.",
    "We have x + y = 10.",
    "Let x be the number of apples, so 2x is the number of pears.",
    "Suppose there are 30 students.",
    "Assume that the price is $40.",
    "Consider a square with side 6.",
    "Imagine 10 people in a row.",
    "Each box holds 12 eggs, and there are 5 boxes.",
    "Tom has 3 apples and Ann has 5 apples.",
    "The train leaves at 9:15 and arrives at 11:45.",
    "Half of 30 plus a third of",
    "The answer is approximately",
    "About 3 or 4.",
    "Between 10 and 20.",
    "More than 50.",
    "At least 7.",
    "Less than half of 80.",
    "x > 3 and",
    "The pattern is 2, 4, 8, 16, ...",
    "As an AI model with 7 billion parameters, I can't do that.",
    "Version 2.0",
    "Copyright 2023",
    "Step 3:",
    "Case 2:",
    "Example 5.",
    "Part 1 of 3",
    "To be continued in part 2.",
    "<answer></answer>",
    "\\boxed{}",
    "####",
    "**Answer:**",
    "Final answer:",
)
CONCLUDED = (
    ("The answer is 12. Wait, that's wrong. 3 × 5 = 15, so the answer is 15.", "n:15"),
    ("#### 25\n\nSorry, ignore that. #### 26", "n:26"),
    ("\\boxed{8}\n\nHmm, that does not satisfy the condition. Trying n = 9 works.\n\n\\boxed{9}", "n:9"),
    ("Let me redo this: 4 + 5 = 9. The answer is 9.", "n:9"),
    ("x = 3 is not a solution, but x = 5 is. The answer is 5.", "n:5"),
    ("The vertex is at (2, 7).", "l:n:2;n:7"),
    ("The point is at (-1, 4).", "l:n:-1;n:4"),
    ("The axis of symmetry is x = 3.", "q:x-3"),
    ("The solution of the equation is x = 3.", "n:3"),
    ("Solving the equation gives x = 3.", "n:3"),
    ("&radic;5", "e:1*sqrt(5)"),
    ("2&pi;", "e:2*pi"),
    ("3 &times; 4 = 12", "n:12"),
    ("5&sup2;", "n:25"),
    ("z = 2 - 3i", "p:-3*i+2"),
    ("3 + i^2", "n:2"),
    ("(A) 4 (B) 5\n\nThe answer is (B).", "c:B"),
    ("A) red\nB) blue\n\nAnswer: A", "c:A"),
    ("No, it is not a prime number.", "b:no"),
    ("No.", "b:no"),
    ("Yes, 7 is prime.", "b:yes"),
    ("So she has 12 apples left.", "n:12"),
    ("There are 12 apples.", "n:12"),
    ("We get 12.", "n:12"),
    ("We have 12 apples left.", "n:12"),
    ("It takes 5 days.", "n:5"),
    ("He will have 30 dollars left.", "n:30"),
    ("She needs to sell 15 more tickets.", "n:15"),
    ("Therefore, x = 4. Checking: 2(4) + 1 = 9, which is correct.", "n:4"),
    ("So x = 6. To verify, 6 + 2 = 8.", "n:6"),
    ("So the answer is 12. I hope this helps!", "n:12"),
    ("12 + 5 = 17 apples", "n:17"),
    ("The total cost is $45.", "n:45"),
    ("Let me calculate: 3 × 4 = 12.", "n:12"),
    ("We need 3 × 4 = 12 eggs.", "n:12"),
    ("So we need 12 eggs.", "n:12"),
    ("Final answer (in cm): 12", "n:12"),
    ('{"answer": 12}', "n:12"),
    ("So he must read 120 pages.", "n:120"),
    ("The number of ways is 60.", "n:60"),
    ("I think the answer is 42.", "n:42"),
    ("Both sides equal 16 when x = 4, so x = 4.", "n:4"),
    ("The maximum is 9 when x = 2.", "n:9"),
)


@pytest.mark.parametrize("text", TAKEN_BACK)
def test_an_answer_that_is_taken_back_is_none(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", IN_OTHER_LANGUAGES)
def test_a_denial_or_retraction_in_another_language_is_seen(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", NUMBERED)
def test_the_number_of_a_theorem_or_page_is_no_answer(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", DENIED)
def test_a_denied_or_doubted_value_is_no_answer(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", CUT_OFF)
def test_a_text_that_ends_in_the_middle_of_a_sentence_has_no_answer(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", ANNOUNCED)
def test_work_that_is_announced_is_no_answer(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", REFERENCES_AND_PENDING)
def test_a_reference_or_a_pending_case_is_no_answer(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", HEDGED)
def test_a_guess_between_values_is_no_answer(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", OPTIONS)
def test_a_list_of_options_is_no_choice(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize("text", EMPTY)
def test_a_text_without_a_result_has_no_answer(text: str) -> None:
    assert canonical_answer(text) is None


@pytest.mark.parametrize(("text", "key"), CONCLUDED)
def test_a_conclusion_beside_words_of_doubt_is_kept(text: str, key: str) -> None:
    assert canonical_answer(text) == key
