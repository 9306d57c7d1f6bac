"""The views by which runs are told apart: each run, each evaluated reply, and each sample of the machine.

A run is shown by one round: the kept one, or the measured one of an evaluation. Example:
    SELECT run_id, name, differs, score - base_score FROM v_runs
"""

from __future__ import annotations

from crescent_lite.store.view import ROUND_OR_BASE, RUN, View

ROLES = "instr('agreement score canary final general', o.role)"
"""SQL for the order in which roles are taken for a run's primary number."""


def _primary(run: str, roles: str) -> str:
    """SQL conditions on `run_evaluations s` and `evaluations e` for the evaluations of the primary number.

    As `store.primary` chooses them: the first of the roles that the run has, each benchmark with the primary prompt,
    or with its first one where it is not asked with that.
    """
    asked = """(SELECT iif(json_valid(c.config), json_extract(c.config, '$.evaluate.primary_prompt'), NULL)
                FROM runs c WHERE c.run_id = t.run_id)"""
    return f"""s.run_id = {run} AND e.samples = 1 AND s.role = (
            SELECT o.role FROM run_evaluations o WHERE o.run_id = {run} AND o.role IN ({roles})
            ORDER BY {ROLES} LIMIT 1)
        AND e.prompt = (
            SELECT f.prompt FROM run_evaluations t JOIN evaluations f USING (evaluation_id)
            WHERE t.run_id = {run} AND t.round_number = 0 AND f.benchmark_id = e.benchmark_id AND f.samples = 1
            ORDER BY substr(f.prompt, instr(f.prompt, '/') + 1) IS NOT {asked}, f.evaluation_id LIMIT 1)"""


RIGHT = """(SELECT sum(CASE (
                SELECT iif(json_valid(c.config), json_extract(c.config, '$.evaluate.primary_scoring'), NULL)
                FROM runs c WHERE c.run_id = s.run_id)
            WHEN 'strict' THEN i.strict WHEN 'math-verify' THEN coalesce(i.second_opinion, i.flexible)
            ELSE i.flexible END)
        FROM evaluated_items i WHERE i.evaluation_id = e.evaluation_id)"""
"""SQL for the right replies of the evaluation e, by the primary scoring."""
ITEMS_OF = "(SELECT count(*) FROM evaluated_items i WHERE i.evaluation_id = e.evaluation_id)"
"""SQL for the replies of the evaluation e."""


def _score(run: str, number: str) -> str:
    """SQL for the primary number of a round; NULL until all its benchmarks are measured."""
    return f"""(SELECT CASE WHEN count(*) = count(e.finished_at)
            THEN 1.0 * sum({RIGHT}) / nullif(sum({ITEMS_OF}), 0) END
        FROM run_evaluations s JOIN evaluations e USING (evaluation_id)
        WHERE s.round_number = {number} AND {_primary(run, "'score', 'canary', 'final', 'general'")})"""


_CHOOSING = f"""(SELECT s.round_number FROM run_evaluations s JOIN evaluations e USING (evaluation_id)
        JOIN rounds d ON d.run_id = s.run_id AND d.number = s.round_number AND d.adapter_id IS NOT NULL
        WHERE {_primary("r.run_id", "'agreement', 'score', 'canary'")}
        GROUP BY s.round_number HAVING count(*) = count(e.finished_at)
        ORDER BY 1.0 * sum({RIGHT}) / nullif(sum({ITEMS_OF}), 0) DESC, s.round_number LIMIT 1)"""
"""SQL for the measured round with an adapter and the best primary number, as `rounds.Standing.kept` chooses it."""
_KEPT = f"""coalesce(r.chosen_round, {_CHOOSING},
        (SELECT max(d.number) FROM rounds d WHERE d.run_id = r.run_id AND d.adapter_id IS NOT NULL),
        (SELECT max(s.round_number) FROM run_evaluations s JOIN evaluations e USING (evaluation_id)
            WHERE s.run_id = r.run_id AND s.round_number > 0 AND e.finished_at IS NOT NULL))"""
_SCORES_OF_A_RUN = """(SELECT json_group_array(json_object('benchmark', benchmark, 'prompt', prompt, 'role', role,
            'items', items, 'base', base, 'score', score, 'difference', score - base))
        FROM (SELECT b.name AS benchmark, e.prompt, s.role, b.items AS items,
                (SELECT avg(i.flexible) FROM evaluated_items i WHERE i.evaluation_id = e.evaluation_id) AS base,
                (SELECT avg(i.flexible) FROM run_evaluations t JOIN evaluations f USING (evaluation_id)
                    JOIN evaluated_items i USING (evaluation_id)
                    WHERE t.run_id = k.run_id AND t.round_number = k.round AND f.benchmark_id = e.benchmark_id
                        AND f.prompt_sha256 = e.prompt_sha256 AND f.settings = e.settings
                        AND f.finished_at IS NOT NULL) AS score
            FROM run_evaluations s JOIN evaluations e USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
            WHERE s.run_id = k.run_id AND s.round_number = 0 AND e.samples = 1 AND e.finished_at IS NOT NULL
                AND s.role <> 'agreement'
            ORDER BY instr('score final general canary', s.role), b.name, e.evaluation_id))"""

RUNS = View(
    "Each run: its name, settings that differ from its preset, what it produced, and the scores of its kept round.",
    "SELECT run_id, name, state, rounds, labels, base_score, score, differs FROM v_runs",
    {
        "run_id": RUN,
        "name": "name that the user gave it; NULL without one",
        "note": "the user's note on it; NULL without one",
        "kind": "'improvement', or 'evaluation' for `crescent eval`",
        "control": "name of the control experiment; NULL for an ordinary run",
        "parent_id": "the run that a control belongs to, or whose labels a distillation learns from; else NULL",
        "model": "name of the base",
        "state": "'running', 'stopped', 'failed' or 'finished'; a run whose engine was killed stays 'running'",
        "reason": "why it stopped, failed or finished early; NULL if nothing is stored",
        "rounds_planned": "rounds it is planned to have",
        "rounds": "rounds that are finished",
        "round": "number of the kept round, or of the measured one of an evaluation; NULL before there is one",
        "labels": "questions of all rounds with a label",
        "base_score": "primary number of the base, 0-1: right replies to all items with the primary prompt",
        "score": "the same of `round`",
        "difference": "score - base_score",
        "scores": "each benchmark and prompt as JSON: benchmark, prompt, role, items, base, score, difference",
        "seconds": "time at work in all stages, in seconds",
        "tokens": "tokens drawn in all stages",
        "differs": "settings with another value than in the preset, as JSON; for runs of versions before 13, than in "
        "the preset of the version that opened the database first",
        "effective": "the values that automatic settings came to, such as threads and learning rate, as JSON",
        "preset": "name of its preset",
        "seed": "its seed",
        "sweep": "name of the sweep that it belongs to; NULL without one",
        "sweep_position": "its position in the queue of the sweep, from 0",
        "started_at": "UTC, ISO 8601",
        "finished_at": "UTC, ISO 8601; NULL until it is finished",
    },
    f"""SELECT k.run_id, k.name, k.note, k.kind, k.control, k.parent_id, b.name AS model, k.state, k.reason,
        k.rounds_planned, (SELECT count(d.finished_at) FROM rounds d WHERE d.run_id = k.run_id) AS rounds, k.round,
        (SELECT count(*) FROM rounds d JOIN questions q USING (round_id) JOIN consensus c USING (question_id)
            WHERE d.run_id = k.run_id AND c.decision = 'labelled') AS labels,
        k.base_score, k.score, k.score - k.base_score AS difference, {_SCORES_OF_A_RUN} AS scores,
        (SELECT sum(seconds) FROM stages s WHERE s.run_id = k.run_id) AS seconds,
        (SELECT sum(tokens) FROM stages s WHERE s.run_id = k.run_id) AS tokens, k.differs,
        (SELECT json_group_object(name, value) FROM effective_settings s WHERE s.run_id = k.run_id) AS effective,
        iif(json_valid(k.config), json_extract(k.config, '$.preset'), NULL) AS preset,
        iif(json_valid(k.config), json_extract(k.config, '$.run.seed'), NULL) AS seed,
        w.name AS sweep, k.sweep_position, k.started_at, k.finished_at
    FROM (
        SELECT n.*, {_score("n.run_id", "0")} AS base_score,
            {_score("n.run_id", "n.round")} AS score
        FROM (
            SELECT r.run_id, r.name, r.note, r.kind, r.control, coalesce(r.control_of, r.teacher_id) AS parent_id,
                r.base_id, r.state, r.reason, r.rounds AS rounds_planned, r.differs, r.config, r.sweep_key,
                r.sweep_position, r.started_at, r.finished_at, {_KEPT} AS round
            FROM runs r
        ) n
    ) k JOIN models b ON b.model_id = k.base_id LEFT JOIN sweeps w USING (sweep_key)""",
)

ITEMS = View(
    "Each scored reply to a benchmark's item, in each run and round that it counts for.",
    "SELECT item, sample, answer, gold, right, tokens FROM v_items WHERE run_id = 1 AND round = 0 LIMIT 5",
    {
        "run_id": RUN,
        "round": ROUND_OR_BASE,
        "benchmark": "name of the benchmark",
        "role": "'score', 'final', 'general', 'canary' or 'agreement', as in v_scores",
        "prompt": "name of the prompt that asks the items",
        "item": "id of the item in its benchmark",
        "sample": "number of the reply among those to its item, from 0; the only one is greedy",
        "samples": "replies to each item",
        "question": "text of the item",
        "reply": "text that the model wrote",
        "answer": "its answer as a typed key; NULL if none was found",
        "right": "1 if the answer is right, wherever it is written",
        "right_strict": "1 if the right answer stands in a marked place",
        "gold": "the right answer as a typed key",
        "tokens": "tokens drawn",
        "finish_reason": "'stop', or why it was cut off: 'length' or 'context'",
        "abstained": "why it has no answer: 'in_thoughts', 'cut_off' or 'no_answer'",
        "model_id": "id of the model that was measured",
        "evaluation_id": "id of the evaluation",
    },
    """SELECT r.run_id, r.round_number AS round, b.name AS benchmark, r.role, e.prompt, i.item_id AS item,
        i.sample_index AS sample, e.samples, g.question, i.text AS reply, i.answer_key AS answer,
        i.flexible AS right, i.strict AS right_strict, g.answer_key AS gold, i.tokens, i.finish_reason,
        i.abstained, e.model_id, e.evaluation_id
    FROM run_evaluations r JOIN evaluations e USING (evaluation_id) JOIN benchmarks b USING (benchmark_id)
    JOIN evaluated_items i USING (evaluation_id)
    JOIN benchmark_items g ON g.benchmark_id = e.benchmark_id AND g.item_id = i.item_id""",
)

MACHINE = View(
    "Each sample of the machine during a run; a long run keeps at most 2,000, evenly spaced.",
    "SELECT at, stage, cpu, memory_bytes, gpu, tokens_per_second FROM v_machine WHERE run_id = 1 LIMIT 5",
    {
        "run_id": RUN,
        "at": "UTC, ISO 8601",
        "round": ROUND_OR_BASE,
        "stage": "the stage at work; NULL between two stages",
        "cpu": "utilisation, 0-1, of the processors that the engine may use, since the sample before",
        "memory_bytes": "memory in use on the machine, or in its cgroup, in bytes",
        "gpu": "mean utilisation of the GPUs that CUDA may use, 0-1; NULL without one",
        "gpu_memory_bytes": "memory in use on these GPUs, in bytes; NULL without one",
        "tokens_per_second": "tokens drawn or trained on per second since the sample before; NULL if none was",
    },
    """SELECT run_id, at, round_number AS round, stage, cpu, memory_bytes, gpu, gpu_memory_bytes, tokens_per_second
    FROM machine_samples""",
)
