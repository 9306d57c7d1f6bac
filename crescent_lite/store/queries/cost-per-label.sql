-- Cost per label: the seconds and tokens of each stage per label, for each round, and the votes per label.
-- :run  id of the run; default: the latest
SELECT c.round, c.stage, c.labels, round(c.seconds_per_label, 1) AS seconds_per_label,
    round(c.tokens_per_label) AS tokens_per_label, round(c.tokens_per_second, 1) AS tokens_per_second,
    CASE WHEN c.stage = 'vote' THEN round(1.0 * r.votes / nullif(c.labels, 0), 1) END AS votes_per_label
FROM v_cost c JOIN v_rounds r ON r.run_id = c.run_id AND r.round = c.round
WHERE c.run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
    AND c.round > 0
ORDER BY c.round, c.stage
