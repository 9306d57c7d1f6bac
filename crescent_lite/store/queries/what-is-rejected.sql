-- What is rejected and why: each rule with the number of texts it rejected, their fraction of all, and an example.
-- :run    id of the run; default: the latest
-- :round  number of the round; default: all
WITH these AS (
    SELECT * FROM v_questions
    WHERE run_id = coalesce(nullif(:run, ''), (SELECT max(run_id) FROM runs WHERE kind = 'improvement'))
        AND (nullif(:round, '') IS NULL OR round = :round)
), rules AS (
    SELECT reason, count(*) AS texts, avg(similarity) AS similarity, min(question_id) AS question_id
    FROM these WHERE verdict = 'rejected' GROUP BY reason
)
SELECT r.reason, texts, round(1.0 * texts / (SELECT count(*) FROM these), 3) AS part,
    round(r.similarity, 1) AS mean_similarity, question_id, substr(q.text, 1, 100) AS example
FROM rules r JOIN questions q USING (question_id)
ORDER BY texts DESC, r.reason
