-- Length drift: the length of questions and solutions in each round, and how many solutions were cut off.
-- :run  id of the run; default: the latest
WITH these AS (
    SELECT round, question_id, tokens, finish_reason, chosen, length(question) AS characters FROM v_votes
    WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
)
SELECT round, count(DISTINCT question_id) AS questions, count(*) AS solutions,
    round(avg(characters)) AS question_characters, round(avg(tokens)) AS solution_tokens,
    round(avg(CASE WHEN chosen THEN tokens END)) AS learnt_solution_tokens, max(tokens) AS longest,
    round(avg(finish_reason <> 'stop'), 3) AS cut_off
FROM these
GROUP BY round
ORDER BY round
