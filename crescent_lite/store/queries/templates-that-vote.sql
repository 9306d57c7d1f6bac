-- Which templates vote best: each part of the bait, and each text with masked numbers, by how sure the votes are.
-- :run  id of the run; default: the latest
-- :top  number of rows of each part; default: 10
WITH these AS (
    SELECT question_id, share, decision, steering, lower(text) AS text FROM v_questions
    WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
        AND decision IS NOT NULL
), digits AS (
    SELECT question_id, share, decision,
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(text,
            '0', '#'), '1', '#'), '2', '#'), '3', '#'), '4', '#'), '5', '#'), '6', '#'), '7', '#'), '8', '#'), '9', '#')
            AS masked
    FROM these
), parts AS (
    SELECT question_id, share, decision, p.key AS part, p.value AS value
    FROM these, json_each(CASE WHEN json_valid(steering) THEN steering ELSE '{}' END) p
    UNION ALL
    SELECT question_id, share, decision, '(text)',
        replace(replace(replace(replace(masked, '####', '#'), '###', '#'), '##', '#'), '##', '#')
    FROM digits
), counted AS (
    SELECT part, value, count(*) AS questions, sum(decision = 'labelled') AS labels, avg(share) AS mean_share,
        row_number() OVER (PARTITION BY part ORDER BY avg(share) DESC, count(*) DESC, value) AS rank
    FROM parts GROUP BY part, value HAVING count(*) > 1
)
SELECT part, substr(value, 1, 100) AS value, questions, labels, round(1.0 * labels / questions, 3) AS labelled_part,
    round(mean_share, 3) AS mean_share
FROM counted
WHERE rank <= CAST(coalesce(nullif(:top, ''), 10) AS INTEGER)
ORDER BY part, rank
