-- The machine over time: processor, memory and GPU load and the tokens per second, by minute of the run.
-- :run  id of the run; default: the latest
WITH these AS (
    SELECT *, round((julianday(at) - julianday(min(at) OVER ())) * 1440, 2) AS minute FROM v_machine
    WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM v_machine))
)
SELECT minute, round, stage, round(cpu, 3) AS cpu, round(memory_bytes / 1e9, 2) AS memory_gb, round(gpu, 3) AS gpu,
    round(gpu_memory_bytes / 1e9, 2) AS gpu_memory_gb, tokens_per_second
FROM these
ORDER BY minute
