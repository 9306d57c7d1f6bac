-- Where labels come from: of each topic that was asked for, the texts, those kept, and those that got a label.
-- :run    the run; the latest where none is given
-- :round  the round; all where none is given
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
