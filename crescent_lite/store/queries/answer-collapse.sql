-- Answer collapse: the commonest labels of each round; one answer to many different questions is a bad sign.
-- :run  id of the run; default: the latest
-- :top  number of answers per round; default: 10
WITH counted AS (
    SELECT round, label, count(*) AS questions, sum(count(*)) OVER (PARTITION BY round) AS labels,
        row_number() OVER (PARTITION BY round ORDER BY count(*) DESC, label) AS rank
    FROM v_labels
    WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
    GROUP BY round, label
)
SELECT round, rank, label, questions, round(1.0 * questions / labels, 3) AS part
FROM counted WHERE rank <= CAST(coalesce(nullif(:top, ''), 10) AS INTEGER)
ORDER BY round, rank
