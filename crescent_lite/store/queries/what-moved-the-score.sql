-- What moved the score: the benchmark items that only the round or only the base answers right.
-- :run    id of the run; default: the latest
-- :round  number of the round; default: the last one that was measured
WITH these AS (
    SELECT evaluation_id, round, benchmark, prompt, role FROM v_scores
    WHERE samples = 1
        AND run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
)
SELECT a.benchmark, substr(a.prompt, instr(a.prompt, '/') + 1) AS prompt, a.round,
    CASE WHEN ai.flexible THEN 'gained' ELSE 'lost' END AS change, ai.item_id, bi.answer_key AS base_answer,
    ai.answer_key AS round_answer, g.answer_key AS right_answer, bi.finish_reason AS base_ended,
    ai.finish_reason AS round_ended, substr(g.question, 1, 100) AS question,
    count(*) OVER (PARTITION BY a.benchmark, a.prompt, ai.flexible) AS items_changed
FROM these a JOIN these b ON b.round = 0 AND b.benchmark = a.benchmark AND b.prompt = a.prompt
JOIN evaluated_items ai ON ai.evaluation_id = a.evaluation_id
JOIN evaluated_items bi ON bi.evaluation_id = b.evaluation_id AND bi.item_id = ai.item_id
    AND bi.sample_index = ai.sample_index
JOIN evaluations e ON e.evaluation_id = a.evaluation_id
JOIN benchmark_items g ON g.benchmark_id = e.benchmark_id AND g.item_id = ai.item_id
WHERE a.round = coalesce(nullif(:round, ''), (SELECT max(round) FROM these)) AND a.round > 0
    AND ai.flexible <> bi.flexible
ORDER BY a.benchmark, a.prompt, change, g.position
