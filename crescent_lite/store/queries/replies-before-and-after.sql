-- Replies before and after: length of the replies to each benchmark, the share cut off, and how right the others are.
-- :run  id of the run; default: the latest
WITH these AS (
    SELECT benchmark, prompt, round, tokens, right, finish_reason = 'stop' AS ended,
        row_number() OVER place AS rank, count(*) OVER (PARTITION BY evaluation_id) AS replies
    FROM v_items
    WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
        AND samples = 1 AND role <> 'agreement'
    WINDOW place AS (PARTITION BY evaluation_id ORDER BY tokens)
)
SELECT benchmark, substr(prompt, instr(prompt, '/') + 1) AS prompt, round, count(*) AS replies,
    round(avg(tokens), 1) AS mean_tokens, max(CASE WHEN rank = (replies + 1) / 2 THEN tokens END) AS median_tokens,
    max(CASE WHEN rank = (9 * replies + 9) / 10 THEN tokens END) AS tokens_90,
    round(avg(NOT ended), 3) AS cut_off, round(avg(right), 3) AS right_part,
    round(avg(CASE WHEN ended THEN right END), 3) AS right_of_ended
FROM these
GROUP BY benchmark, prompt, round
ORDER BY benchmark, prompt, round
