-- Settings and scores: each run with the settings that differ from its preset, and its score against the base.
-- :sweep  name of a sweep, to list its runs only; default: all runs
SELECT run_id, name, sweep, seed, rounds, labels, round(base_score, 4) AS base_score, round(score, 4) AS score,
    round(difference, 4) AS difference, round(seconds) AS seconds, differs
FROM v_runs
WHERE kind = 'improvement' AND (nullif(:sweep, '') IS NULL OR sweep = :sweep)
ORDER BY difference DESC NULLS LAST, run_id
