-- Share against correctness: how often the majority of the replies to a benchmark item is right, by its share.
-- :run  id of the run; default: the latest with several replies to each item
WITH answers AS (
    SELECT evaluation_id, item_id, answer_key, max(flexible) AS is_right, count(*) AS votes,
        min(sample_index) AS drawn_first
    FROM evaluated_items
    WHERE evaluation_id IN (
        SELECT evaluation_id FROM v_scores WHERE samples > 1 AND run_id = coalesce(
            nullif(:run, ''), (SELECT max(run_id) FROM v_scores WHERE samples > 1)))
    GROUP BY evaluation_id, item_id, answer_key
), ranked AS (
    SELECT *, 1.0 * votes / sum(votes) OVER (PARTITION BY evaluation_id, item_id) AS share,
        row_number() OVER (PARTITION BY evaluation_id, item_id
            ORDER BY answer_key IS NULL, votes DESC, drawn_first) AS rank
    FROM answers
)
SELECT s.round, s.benchmark, s.samples, round(share, 2) AS share, count(*) AS items, sum(is_right) AS right,
    round(avg(is_right), 3) AS right_part
FROM ranked JOIN v_scores s USING (evaluation_id)
WHERE rank = 1 AND answer_key IS NOT NULL
GROUP BY s.round, s.benchmark, s.samples, round(share, 2)
ORDER BY s.benchmark, s.samples, s.round, share
