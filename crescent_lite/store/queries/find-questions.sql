-- Find questions: the texts that contain these words, best matches first.
-- :words  words, or a "phrase" in double quotes; OR, NOT and prefix* work as in SQLite's FTS5
SELECT q.question_id, q.run_id, q.round, q.verdict, q.reason, q.share, f.found
FROM (
    SELECT rowid, rank, snippet(questions_fts, 0, '[', ']', '...', 16) AS found
    FROM questions_fts WHERE questions_fts MATCH coalesce(nullif(trim(:words), ''), '""') ORDER BY rank LIMIT 100
) f JOIN v_questions q ON q.question_id = f.rowid
ORDER BY f.rank
