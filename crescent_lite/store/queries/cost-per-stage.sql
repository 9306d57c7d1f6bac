-- Cost per stage: the time and tokens of each stage of each round, and its part of the run's time.
-- :run  id of the run; default: the latest
SELECT round, stage, round(seconds, 1) AS seconds, tokens, round(tokens_per_second, 1) AS tokens_per_second,
    round(seconds / sum(seconds) OVER (), 3) AS part_of_time,
    round(sum(seconds) OVER (PARTITION BY round), 1) AS seconds_of_round
FROM v_cost
WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
ORDER BY round, instr('ask vote train evaluate second_opinion', stage)
