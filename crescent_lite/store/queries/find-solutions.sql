-- Find solutions: the votes in whose solutions these words are, the best matches first.
-- :words  words, or a "phrase" in quotes; OR, NOT and prefix* as in SQLite's FTS5
SELECT v.vote_id, v.question_id, v.round, v.answer_key, v.agrees,
    snippet(solutions_fts, 0, '[', ']', '...', 16) AS found
FROM solutions_fts JOIN v_votes v ON v.vote_id = solutions_fts.rowid
WHERE solutions_fts MATCH :words
ORDER BY bm25(solutions_fts)
LIMIT 100
