-- Template growth: how many of each twenty texts of a round are kept, and how many are too close to kept ones.
-- :run  id of the run; default: the latest
WITH numbered AS (
    SELECT round, verdict, reason, similarity,
        (row_number() OVER (PARTITION BY round ORDER BY question_id) - 1) / 20 + 1 AS twenty
    FROM v_questions
    WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
        AND verdict IS NOT NULL
)
SELECT round, sum(count(*)) OVER (PARTITION BY round ORDER BY twenty) AS up_to_text, sum(verdict = 'kept') AS kept,
    sum(sum(verdict = 'kept')) OVER (PARTITION BY round ORDER BY twenty) AS kept_so_far,
    sum(reason IN ('near_duplicate', 'same_template')) AS too_close, count(*) AS texts
FROM numbered
GROUP BY round, twenty
ORDER BY round, twenty
