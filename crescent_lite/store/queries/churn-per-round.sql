-- Churn per round: the benchmark items that each round gained and lost against the base and the round before.
-- :run  id of the run; default: the latest
WITH these AS (
    SELECT evaluation_id, round, benchmark, prompt FROM v_scores
    WHERE samples = 1 AND role <> 'agreement'
        AND run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
), pairs AS (
    SELECT a.round, a.benchmark, a.prompt, b.round AS before, a.evaluation_id AS later, b.evaluation_id AS earlier
    FROM these a JOIN these b ON b.benchmark = a.benchmark AND b.prompt = a.prompt AND b.round < a.round
    WHERE b.round = 0 OR b.round = a.round - 1
)
SELECT p.benchmark, substr(p.prompt, instr(p.prompt, '/') + 1) AS prompt, p.round,
    CASE WHEN p.before THEN 'round ' || p.before ELSE 'base' END AS against, count(*) AS items,
    sum(a.flexible AND NOT b.flexible) AS gained, sum(b.flexible AND NOT a.flexible) AS lost,
    round(avg(a.flexible <> b.flexible), 3) AS churn, round(avg(a.flexible) - avg(b.flexible), 4) AS difference
FROM pairs p JOIN evaluated_items a ON a.evaluation_id = p.later
JOIN evaluated_items b ON b.evaluation_id = p.earlier AND b.item_id = a.item_id AND b.sample_index = a.sample_index
GROUP BY p.benchmark, p.prompt, p.round, p.before
ORDER BY p.benchmark, p.prompt, p.round, p.before
