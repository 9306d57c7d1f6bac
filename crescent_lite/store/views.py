"""The views that answer common questions about a database, each with a description of every column.

Views store nothing, so a migration that changes one drops them all and creates them again. Users read them with any
build of SQLite, so they use no optional function: the square root of an interval is computed by Newton's method.
Example: VIEWS["v_labels"].about -> "The questions that got a label, with the solution that is trained on."
"""

from __future__ import annotations

from collections.abc import Mapping

from crescent_lite.store.view import (
    LEADER,
    NOT_DECIDED,
    QUESTION_ID,
    ROUND,
    ROUND_OR_BASE,
    RUN,
    SHARE,
    View,
)
from crescent_lite.store.views_of_runs import ITEMS, MACHINE, RUNS

Z_SQUARED = 3.841458820694124
"""For 95% intervals: the square of the normal distribution's 0.975 quantile."""
CLOSE_MARGIN = 0.25
"""A question is disputed if its leading answer is ahead of the second one by at most this fraction of the votes
(guess: 2 of 8)."""

_ROUNDS = View(
    "Each round of each run, and the base as round 0: what each stage produced, and the score.",
    "SELECT round, texts, kept, labels, mean_share, score FROM v_rounds WHERE run_id = 1",
    {
        "run_id": RUN,
        "round": ROUND_OR_BASE,
        "kind": "'improvement', or 'evaluation' for `crescent eval`",
        "control": "name of the control experiment; NULL for an ordinary run",
        "model": "name of the base",
        "outcome": "how the round ended; NULL while it is unfinished",
        "texts": "texts that the model wrote as questions, rewrites included, or questions from the user's file",
        "external": "texts from the user's file, which no model wrote",
        "kept": "texts that are usable questions and new",
        "acceptance": "kept / texts, 0-1",
        "voted": "kept questions whose votes are complete",
        "votes": "votes of those questions",
        "labels": "questions whose leading answer became a label",
        "mean_share": "mean share of the leading answer, 0-1, over the questions whose votes are complete",
        "examples": "examples given to the round's latest training, those of earlier rounds included",
        "loss": "loss of the latest training step, nats per token",
        "score": "mean flexible score, 0-1, over all prompts of the 'score' benchmarks, else canaries; NULL until "
        "all are measured. The primary number, which chooses the round, has one prompt and one scoring",
        "seconds": "time at work in all stages of the round, in seconds",
        "tokens": "tokens drawn in all stages of the round",
    },
    """SELECT n.run_id, n.number AS round, r.kind, r.control, b.name AS model, n.outcome,
        n.texts, CASE WHEN n.texts THEN (SELECT count(*) FROM questions q
            WHERE q.round_id = n.round_id AND q.external_id IS NOT NULL) END AS external,
        n.kept, 1.0 * n.kept / nullif(n.texts, 0) AS acceptance,
        (SELECT count(*) FROM questions q JOIN consensus c USING (question_id)
            WHERE q.round_id = n.round_id AND q.verdict = 'kept') AS voted,
        (SELECT sum(c.votes) FROM questions q JOIN consensus c USING (question_id)
            WHERE q.round_id = n.round_id AND q.verdict = 'kept') AS votes,
        (SELECT sum(c.decision = 'labelled') FROM questions q JOIN consensus c USING (question_id)
            WHERE q.round_id = n.round_id AND q.verdict = 'kept') AS labels,
        (SELECT avg(c.share) FROM questions q JOIN consensus c USING (question_id)
            WHERE q.round_id = n.round_id AND q.verdict = 'kept') AS mean_share,
        (SELECT count(*) FROM examples WHERE training_id = n.training_id) AS examples,
        (SELECT loss FROM training_steps WHERE training_id = n.training_id ORDER BY step DESC LIMIT 1) AS loss,
        (SELECT CASE WHEN count(*) = count(e.finished_at) THEN avg(
                (SELECT avg(flexible) FROM evaluated_items i WHERE i.evaluation_id = e.evaluation_id)) END
            FROM run_evaluations s JOIN evaluations e USING (evaluation_id)
            WHERE s.run_id = n.run_id AND s.round_number = n.number AND e.samples = 1
                AND (s.role = 'score' OR s.role = 'canary' AND NOT EXISTS (
                    SELECT 1 FROM run_evaluations o WHERE o.run_id = n.run_id AND o.role = 'score'))) AS score,
        (SELECT sum(seconds) FROM stages WHERE run_id = n.run_id AND round_number = n.number) AS seconds,
        (SELECT sum(tokens) FROM stages WHERE run_id = n.run_id AND round_number = n.number) AS tokens
    FROM (
        SELECT run_id, 0 AS number, NULL AS round_id, NULL AS outcome, NULL AS training_id, NULL AS texts,
            NULL AS kept FROM runs
        UNION ALL
        SELECT run_id, number, round_id, outcome,
            (SELECT max(training_id) FROM trainings t WHERE t.round_id = d.round_id),
            (SELECT count(*) FROM questions q WHERE q.round_id = d.round_id),
            (SELECT count(*) FROM questions q WHERE q.round_id = d.round_id AND q.verdict = 'kept')
        FROM rounds d
    ) n JOIN runs r USING (run_id) JOIN models b ON b.model_id = r.base_id""",
)

_QUESTIONS = View(
    "Each text that a model wrote as a question, or that is in the user's file, with its verdict and votes.",
    "SELECT question_id, verdict, reason, answer_key, share, text FROM v_questions WHERE run_id = 1 LIMIT 5",
    {
        "question_id": QUESTION_ID,
        "run_id": RUN,
        "round": ROUND,
        "text": "the cleaned question; what the model wrote if cleaning found no question",
        "verdict": "'kept' or 'rejected'; NULL while it is not judged",
        "reason": "'new', or the rule that rejected it",
        "external_id": "id of the question in the user's file; NULL if a model asked it",
        "steering": "the values of the bait's placeholders, as JSON",
        "duplicate_of": "id of the kept question that it is too close to",
        "similarity": "similarity to that question or to benchmark_item, 0-100, with numbers masked",
        "benchmark_item": "the benchmark item that it is too close to, 'benchmark/item'",
        "semantic_match": "id of the kept question closest in meaning; NULL if meanings are not compared",
        "semantic_similarity": "cosine similarity to semantic_match",
        "rewritten_from": "id of the question that this one is a rewrite of",
        "decision": f"'labelled' or 'rejected'; {NOT_DECIDED}, as are the columns after it",
        "decision_reason": "'agreed', 'tie', 'low_share', 'high_share', 'no_answer' or 'cut_off'",
        "answer_key": LEADER,
        "share": SHARE,
        "margin": "share less the share of the second answer, 0-1",
        "entropy": "entropy of the answers, bits; 0 if all agree",
        "votes_planned": "most votes that could be drawn",
        "votes": "votes drawn",
        "votes_saved": "votes planned but not drawn",
        "stopped": "why no more votes were drawn",
        "distinct_answers": "number of different answers; votes without an answer do not count",
    },
    """SELECT q.question_id, d.run_id, d.number AS round, q.text, q.verdict, q.reason, q.external_id, q.steering,
        q.duplicate_of, q.similarity, q.benchmark_item, q.semantic_match, q.semantic_similarity,
        q.rewritten_from, c.decision,
        c.reason AS decision_reason, c.answer_key, c.share, c.margin, c.entropy, c.planned AS votes_planned,
        c.votes, c.planned - c.votes AS votes_saved, c.stopped, c.distinct_answers
    FROM questions q JOIN rounds d USING (round_id) LEFT JOIN consensus c USING (question_id)""",
)

_VOTES = View(
    "Each vote: one sampled solution of a kept question, and whether it agrees with the leading answer.",
    "SELECT sample_index, answer_key, agrees, chosen, tokens FROM v_votes WHERE question_id = 11",
    {
        "vote_id": "id of the vote",
        "question_id": QUESTION_ID,
        "run_id": RUN,
        "round": ROUND,
        "sample_index": "number of the vote among those of its question, from 0",
        "question": "text of the question",
        "solution": "text that the model wrote",
        "answer_written": "the answer as it is written in the solution; NULL if none was found",
        "answer_key": "the answer as a typed key; NULL if none was found",
        "answer_form": "how the answer is marked: whole, tagged, boxed, hash, phrase, bold, or last (not marked)",
        "abstained": "why it has no answer: 'in_thoughts' (it never left its thoughts), 'cut_off' or 'no_answer'",
        "agrees": f"1 if its answer is the leading one, 0 if it is another or none; {NOT_DECIDED}",
        "chosen": f"1 for the solution that is trained on, 0 for the others; {NOT_DECIDED}",
        "finish_reason": "'stop', or why it was cut off: 'length' or 'context'",
        "tokens": "tokens drawn",
        "mean_logprob": "mean log-probability of its tokens; NULL where it would have slowed sampling by 2% or more",
        "model": "name of the model that wrote it",
        "seed": "seed of its sampling",
        "created_at": "when it was stored, UTC, ISO 8601",
    },
    """SELECT v.vote_id, v.question_id, d.run_id, d.number AS round, v.sample_index, q.text AS question,
        v.text AS solution, v.answer_raw AS answer_written, v.answer_key, v.answer_form, v.abstained,
        CASE WHEN c.question_id IS NOT NULL THEN
            v.answer_key IS NOT NULL AND v.answer_key IS c.answer_key END AS agrees,
        CASE WHEN c.question_id IS NOT NULL THEN v.vote_id IS c.chosen_vote END AS chosen,
        v.finish_reason, v.tokens, v.mean_logprob, m.name AS model, v.seed, v.created_at
    FROM votes v JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
    JOIN models m ON m.model_id = v.model_id LEFT JOIN consensus c USING (question_id)""",
)

_DISPUTED = View(
    f"The questions whose leading answer is ahead of the second one by at most {CLOSE_MARGIN:.0%} of the votes.",
    "SELECT question_id, answer_key, share, runner_up, question FROM v_disputed WHERE run_id = 1 LIMIT 5",
    {
        "question_id": QUESTION_ID,
        "run_id": RUN,
        "round": ROUND,
        "question": "text of the question",
        "answer_key": LEADER,
        "share": SHARE,
        "runner_up": "the second answer, as a typed key",
        "runner_up_share": "fraction of all votes that agree with the second answer, 0-1",
        "margin": "share - runner_up_share",
        "distinct_answers": "number of different answers; votes without an answer do not count",
        "votes": "votes drawn",
        "abstentions": "votes without an answer",
        "decision": "'labelled' or 'rejected'",
        "decision_reason": "'agreed', 'tie', 'low_share', 'high_share', 'no_answer' or 'cut_off'",
    },
    f"""SELECT c.question_id, d.run_id, d.number AS round, q.text AS question, c.answer_key, c.share,
        (SELECT v.answer_key FROM votes v WHERE v.question_id = c.question_id AND v.answer_key <> c.answer_key
            GROUP BY v.answer_key ORDER BY count(*) DESC, v.answer_key LIMIT 1) AS runner_up,
        c.share - c.margin AS runner_up_share, c.margin, c.distinct_answers, c.votes, c.abstentions, c.decision,
        c.reason AS decision_reason
    FROM consensus c JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
    WHERE c.distinct_answers > 1 AND c.margin <= {CLOSE_MARGIN}""",
)

_REJECTIONS = View(
    "Each rejected text: the rule that rejected it, and the text that it is too close to, if any.",
    "SELECT reason, count(*) AS texts FROM v_rejections WHERE run_id = 1 GROUP BY reason ORDER BY texts DESC",
    {
        "question_id": QUESTION_ID,
        "run_id": RUN,
        "round": ROUND,
        "reason": "the rule that rejected it",
        "text": "the cleaned text",
        "raw_text": "what the model wrote",
        "duplicate_of": "id of the kept question that it is too close to",
        "match": "text of the kept question or the benchmark item that it is too close to",
        "similarity": "similarity to match, 0-100, with numbers masked",
        "benchmark_item": "the benchmark item that it is too close to, 'benchmark/item'",
    },
    """SELECT q.question_id, d.run_id, d.number AS round, q.reason, q.text, q.raw_text, q.duplicate_of,
        CASE WHEN q.benchmark_item IS NULL THEN m.text ELSE (
            SELECT i.question FROM benchmarks b CROSS JOIN benchmark_items i ON i.benchmark_id = b.benchmark_id
                AND i.item_id = substr(q.benchmark_item, length(b.name) + 2)
            LEFT JOIN (run_evaluations r JOIN evaluations e USING (evaluation_id))
                ON e.benchmark_id = b.benchmark_id AND r.run_id = d.run_id
            WHERE substr(q.benchmark_item, 1, length(b.name) + 1) = b.name || '/'
            ORDER BY e.benchmark_id IS NULL, b.benchmark_id DESC LIMIT 1) END AS match, q.similarity, q.benchmark_item
    FROM questions q JOIN rounds d USING (round_id) LEFT JOIN questions m ON m.question_id = q.duplicate_of
    WHERE q.verdict = 'rejected'""",
)

_LABELS = View(
    "The questions that got a label, with the solution that is trained on.",
    "SELECT question, label, share FROM v_labels WHERE run_id = 1 ORDER BY share DESC LIMIT 5",
    {
        "question_id": QUESTION_ID,
        "run_id": RUN,
        "round": ROUND,
        "question": "text of the question",
        "label": "the accepted answer as a typed key: 'n:19' a number, '%:20' a percentage, 'c:B' a choice",
        "share": "fraction of all votes that agree with the label, 0-1; votes without an answer count against it",
        "solution": "text of the vote that is trained on, as the model wrote it",
        "vote_id": "id of that vote",
    },
    """SELECT q.question_id, d.run_id, d.number AS round, q.text AS question, c.answer_key AS label,
        c.share, v.text AS solution, v.vote_id
    FROM consensus c JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
    JOIN votes v ON v.vote_id = c.chosen_vote
    WHERE c.decision = 'labelled'""",
)

_EXAMPLES = View(
    "Each example that a training was given, held-out ones included: a question and the solution that is trained on.",
    "SELECT asked_in_round, count(*) AS examples, avg(tokens) AS tokens FROM v_examples"
    " WHERE run_id = 1 AND round = 2 GROUP BY asked_in_round",
    {
        "training_id": "id of the training",
        "run_id": "id of the run that trained",
        "round": "number of the round that trained",
        "question_id": QUESTION_ID,
        "asked_in_round": "number of the round that asked the question; the example is replayed if that was earlier",
        "question": "text of the question",
        "label": "the leading answer of the question's votes, as a typed key",
        "share": SHARE,
        "solution": "text of the vote that is trained on, as the model wrote it",
        "vote_id": "id of that vote",
        "loser": "for a pair, the losing answer, as a typed key; NULL for an example without a loser",
        "loser_solution": "for a pair, text of the losing vote, as the model wrote it",
        "loser_vote_id": "id of that vote",
        "weight": "weight of the example's loss; for a pair, the difference of the two answers' shares",
        "tokens": "tokens of prompt and solution together, for a pair of both solutions",
    },
    """SELECT e.training_id, d.run_id, d.number AS round, e.question_id, a.number AS asked_in_round,
        q.text AS question, c.answer_key AS label, c.share, v.text AS solution, e.vote_id,
        l.answer_key AS loser, l.text AS loser_solution, e.loser_vote_id, e.weight, e.tokens
    FROM examples e JOIN trainings t USING (training_id) JOIN rounds d ON d.round_id = t.round_id
    JOIN questions q ON q.question_id = e.question_id JOIN rounds a ON a.round_id = q.round_id
    JOIN votes v ON v.vote_id = e.vote_id LEFT JOIN votes l ON l.vote_id = e.loser_vote_id
    LEFT JOIN consensus c ON c.question_id = e.question_id""",
)

_MODELS = View(
    "Each model, a base or the adapter of a round, with the models it came from.",
    "SELECT name, kind, lineage, substr(sha256, 1, 8) AS sha256 FROM v_models",
    {
        "model_id": "id of the model",
        "name": "name of the model",
        "kind": "'base' or 'adapter'",
        "lineage": "names of the models from the base to this one",
        "run_id": "id of the first run with a round that trained it; NULL if no round did",
        "round": "number of that round; NULL if no round trained it",
        "parent_id": "id of the model that an adapter was trained on; NULL for a base",
        "source": "for a base 'embedded', a path or 'repo:file', as configured; for an adapter what trained it",
        "path": "path of its file",
        "sha256": "checksum of its file",
        "trained_seconds": "time that its training was at work, in seconds; NULL if no training made it",
        "created_at": "when it was stored, UTC, ISO 8601",
    },
    """SELECT m.model_id, m.name, m.kind, (
            WITH RECURSIVE line (parent_id, names) AS (
                SELECT m.parent_id, m.name UNION ALL
                SELECT p.parent_id, p.name || ' > ' || line.names
                FROM line JOIN models p ON p.model_id = line.parent_id
            ) SELECT names FROM line WHERE parent_id IS NULL
        ) AS lineage,
        d.run_id, d.number AS round, m.parent_id, m.source, m.path, m.sha256,
        (SELECT max(seconds) FROM trainings t WHERE t.adapter_id = m.model_id) AS trained_seconds, m.created_at
    FROM models m
    LEFT JOIN rounds d ON d.round_id = (SELECT min(round_id) FROM rounds WHERE adapter_id = m.model_id)""",
)

_SCORES = View(
    "Each finished evaluation of a round, or of the base as round 0, on a benchmark, with a 95% interval.",
    "SELECT round, benchmark, prompt, items, flexible, low, high FROM v_scores WHERE run_id = 1",
    {
        "run_id": RUN,
        "round": ROUND_OR_BASE,
        "benchmark": "name of the benchmark",
        "role": "'score' (chooses the round), 'final' (for the end), 'general' (other abilities), 'canary' (alarms), "
        "'agreement' (the base's labels instead of gold)",
        "prompt": "name of the prompt that asks the items",
        "samples": "replies to each item; a single one is drawn greedily",
        "items": "items measured",
        "right_flexible": "replies with the right answer, wherever it is written",
        "right_strict": "replies with the right answer in a marked place",
        "flexible": "right_flexible / all replies, 0-1",
        "low": "lower end of the 95% Wilson interval of flexible, 0-1; NULL with more than one sample",
        "high": "upper end of that interval, 0-1; NULL with more than one sample",
        "strict": "right_strict / all replies, 0-1",
        "second_opinion": "fraction that math-verify finds right of the replies that it judged, 0-1",
        "in_thoughts": "replies that never left their thoughts, and so have no answer",
        "tokens": "mean tokens of a reply",
        "model_id": "id of the model that was measured",
        "evaluation_id": "id of the evaluation",
    },
    f"""SELECT run_id, round, benchmark, role, prompt, samples, items, right_flexible, right_strict, flexible,
        CASE WHEN samples = 1 THEN CASE WHEN right_flexible = 0 THEN 0.0 ELSE
            (flexible + spread / 2 - root) / (1 + spread) END END AS low,
        CASE WHEN samples = 1 THEN CASE WHEN right_flexible = items THEN 1.0 ELSE
            (flexible + spread / 2 + root) / (1 + spread) END END AS high,
        strict, second_opinion, in_thoughts, tokens, model_id, evaluation_id
    FROM (
        SELECT *, (
            WITH RECURSIVE newton (step, root) AS (
                SELECT 0, 1.0 UNION ALL SELECT step + 1, (root + square / root) / 2 FROM newton WHERE step < 40
            ) SELECT root FROM newton WHERE step = 40
        ) AS root
        FROM (
            SELECT *, {Z_SQUARED} / items AS spread,
                {Z_SQUARED} * (flexible * (1 - flexible) / items + {Z_SQUARED} / (4.0 * items * items)) AS square
            FROM (
                SELECT r.run_id, r.round_number AS round, b.name AS benchmark, r.role, e.prompt, e.samples,
                    count(DISTINCT i.item_id) AS items, sum(i.flexible) AS right_flexible,
                    sum(i.strict) AS right_strict, avg(i.flexible) AS flexible, avg(i.strict) AS strict,
                    avg(i.second_opinion) AS second_opinion, count(*) FILTER (WHERE i.abstained = 'in_thoughts')
                        AS in_thoughts, avg(i.tokens) AS tokens, e.model_id, e.evaluation_id
                FROM run_evaluations r JOIN evaluations e USING (evaluation_id)
                JOIN benchmarks b USING (benchmark_id) JOIN evaluated_items i USING (evaluation_id)
                WHERE e.finished_at IS NOT NULL
                GROUP BY r.run_id, r.round_number, r.evaluation_id
            )
        )
    )""",
)

_ANSWER_DISTRIBUTION = View(
    "Each answer to each question with its number of votes; the votes without an answer are one row.",
    "SELECT answer_key, votes, share, leads FROM v_answer_distribution WHERE question_id = 7 ORDER BY votes DESC",
    {
        "question_id": QUESTION_ID,
        "run_id": RUN,
        "round": ROUND,
        "answer_key": "the answer as a typed key; NULL for votes without an answer",
        "votes": "votes with this answer",
        "share": "fraction of all votes of the question with this answer, 0-1",
        "leads": f"1 for the leading answer, 0 for another one; NULL for no answer; {NOT_DECIDED}",
    },
    """SELECT v.question_id, d.run_id, d.number AS round, v.answer_key, count(*) AS votes,
        1.0 * count(*) / coalesce(
            c.votes, (SELECT count(*) FROM votes o WHERE o.question_id = v.question_id)) AS share,
        v.answer_key = c.answer_key AS leads
    FROM votes v JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
    LEFT JOIN consensus c USING (question_id)
    GROUP BY v.question_id, v.answer_key""",
)

_COST = View(
    "The time and tokens of each stage of each round, in total and per label of the round.",
    "SELECT round, stage, seconds, tokens, tokens_per_second, seconds_per_label FROM v_cost WHERE run_id = 1",
    {
        "run_id": RUN,
        "round": ROUND_OR_BASE,
        "stage": "'ask', 'vote', 'train', 'evaluate' or 'second_opinion'",
        "seconds": "time at work, in seconds, without pauses",
        "tokens": "tokens drawn",
        "prompt_tokens": "tokens of the prompts",
        "tokens_per_second": "tokens drawn per second that the sampler was at work",
        "labels": "labels of the round; NULL for the base",
        "seconds_per_label": "seconds / labels",
        "tokens_per_label": "tokens / labels",
    },
    """SELECT s.run_id, s.round_number AS round, s.stage, s.seconds, s.tokens, s.prompt_tokens,
        s.tokens / nullif(s.sampling_seconds, 0) AS tokens_per_second,
        CASE WHEN s.round_number > 0 THEN coalesce(l.labels, 0) END AS labels,
        s.seconds / nullif(l.labels, 0) AS seconds_per_label, 1.0 * s.tokens / nullif(l.labels, 0) AS tokens_per_label
    FROM stages s LEFT JOIN (
        SELECT d.run_id, d.number, count(*) AS labels FROM consensus c JOIN questions q USING (question_id)
        JOIN rounds d USING (round_id) WHERE c.decision = 'labelled' GROUP BY q.round_id
    ) l ON l.run_id = s.run_id AND l.number = s.round_number""",
)

_ACCEPTANCE = View(
    "Each hundred judged texts of a round, and how many were kept; the number falls if a model repeats itself.",
    "SELECT hundred_texts, texts, kept, acceptance FROM v_acceptance WHERE run_id = 1 AND round = 1",
    {
        "run_id": RUN,
        "round": ROUND,
        "hundred_texts": "number of the hundred in its round, from 1",
        "texts": "texts in the hundred; the last one may have fewer",
        "kept": "texts that were kept",
        "acceptance": "kept / texts, 0-1",
        "near_duplicates": "texts rejected as near-duplicates",
        "same_template": "texts rejected because enough kept questions differ from them only in numbers",
    },
    """SELECT run_id, round, hundred AS hundred_texts, count(*) AS texts, sum(kept) AS kept, avg(kept) AS acceptance,
        sum(reason = 'near_duplicate') AS near_duplicates, sum(reason = 'same_template') AS same_template
    FROM (SELECT d.run_id, d.number AS round, q.verdict = 'kept' AS kept, q.reason,
            (row_number() OVER (PARTITION BY q.round_id ORDER BY q.question_id) - 1) / 100 + 1 AS hundred
        FROM questions q JOIN rounds d USING (round_id) WHERE q.verdict IS NOT NULL)
    GROUP BY run_id, round, hundred""",
)

_OWN_ANSWERS = View(
    "The right answers that came with the user's own questions, and whether the votes agree. Never learnt from.",
    "SELECT question_id, question, given, leading_answer, share FROM v_own_answers WHERE run_id = 1 AND NOT is_right",
    {
        "question_id": QUESTION_ID,
        "run_id": RUN,
        "round": ROUND,
        "external_id": "id of the question in the user's file",
        "question": "text of the question",
        "given": "the answer as written in the file",
        "answer_key": "that answer as a typed key; NULL for a text that is no value which can be compared",
        "leading_answer": LEADER,
        "share": SHARE,
        "decision": f"'labelled' or 'rejected'; {NOT_DECIDED}",
        "is_right": "1 if the leading answer is the given one, 0 if it is not; NULL without anything to compare",
    },
    """SELECT q.question_id, d.run_id, d.number AS round, q.external_id, q.text AS question, a.answer AS given,
        a.answer_key, c.answer_key AS leading_answer, c.share, c.decision,
        CASE WHEN c.question_id IS NOT NULL AND a.answer_key IS NOT NULL
            THEN c.answer_key IS a.answer_key END AS is_right
    FROM own_answers a JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
    LEFT JOIN consensus c USING (question_id)""",
)

VIEWS: Mapping[str, View] = {
    "v_runs": RUNS,
    "v_rounds": _ROUNDS,
    "v_questions": _QUESTIONS,
    "v_votes": _VOTES,
    "v_disputed": _DISPUTED,
    "v_rejections": _REJECTIONS,
    "v_labels": _LABELS,
    "v_own_answers": _OWN_ANSWERS,
    "v_examples": _EXAMPLES,
    "v_models": _MODELS,
    "v_scores": _SCORES,
    "v_items": ITEMS,
    "v_answer_distribution": _ANSWER_DISTRIBUTION,
    "v_cost": _COST,
    "v_acceptance": _ACCEPTANCE,
    "v_machine": MACHINE,
}


def statements_to_drop() -> tuple[str, ...]:
    """The SQL statements that drop all views of any version."""
    return tuple(f"DROP VIEW IF EXISTS {name}" for name in VIEWS)


def statement_of(name: str) -> str:
    """The SQL statement that creates a view."""
    return f"CREATE VIEW {name} AS {VIEWS[name].select}"


def statements_to_recreate() -> tuple[str, ...]:
    """The SQL statements that drop all views of any version and create these."""
    return statements_to_drop() + tuple(map(statement_of, VIEWS))
