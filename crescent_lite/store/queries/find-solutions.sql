-- Find solutions: the votes whose solutions contain these words, best matches first.
-- :words  words, or a "phrase" in double quotes; OR, NOT and prefix* work as in SQLite's FTS5
SELECT v.vote_id, v.question_id, v.round, v.answer_key, v.agrees, f.found
FROM (
    SELECT rowid, rank, snippet(solutions_fts, 0, '[', ']', '...', 16) AS found
    FROM solutions_fts WHERE solutions_fts MATCH coalesce(nullif(trim(:words), ''), '""') ORDER BY rank LIMIT 100
) f JOIN v_votes v ON v.vote_id = f.rowid
ORDER BY f.rank
