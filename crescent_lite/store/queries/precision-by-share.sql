-- Label precision by share: of the benchmark items whose majority has at least this share, how many it answers right.
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
), by_share AS (
    SELECT evaluation_id, round(share, 3) AS share, count(*) AS items, sum(is_right) AS right
    FROM ranked WHERE rank = 1 AND answer_key IS NOT NULL
    GROUP BY evaluation_id, round(share, 3)
)
SELECT s.round, s.benchmark, s.samples, b.share AS min_share,
    sum(b.items) OVER up AS items, sum(b.right) OVER up AS right,
    round(1.0 * sum(b.right) OVER up / sum(b.items) OVER up, 3) AS precision,
    round(1.0 * sum(b.items) OVER up / s.items, 3) AS coverage
FROM by_share b JOIN v_scores s USING (evaluation_id)
WINDOW up AS (PARTITION BY b.evaluation_id, s.round ORDER BY b.share DESC)
ORDER BY s.benchmark, s.round, b.share
