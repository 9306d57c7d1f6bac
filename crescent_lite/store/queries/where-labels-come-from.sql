-- Where labels come from: each topic that was asked for, with its texts, kept questions and labels.
-- :run    id of the run; default: the latest
-- :round  number of the round; default: all
SELECT coalesce(json_extract(steering, '$.topic'), '(none)') AS topic,
    count(*) AS texts,
    sum(verdict = 'kept') AS kept,
    sum(decision IS 'labelled') AS labels,
    round(1.0 * sum(decision IS 'labelled') / count(*), 3) AS labels_per_text,
    round(avg(share), 3) AS mean_share
FROM v_questions
WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
    AND (nullif(:round, '') IS NULL OR round = :round)
GROUP BY topic
ORDER BY labels DESC, texts DESC, topic
