"""The tables, as migrations. All tables are STRICT. A released migration is never edited, only followed by another.

The views of today are created by the last migration that changes one; those before it only drop the views.
Times are UTC, ISO 8601. Texts are stored exactly as a model or a file has them. The CHECK of models.kind allows
'merged', which no version writes. Knows nothing of who reads the tables.
Example: `migrations.apply(database)` brings any older database up to date.
"""

from __future__ import annotations

import re

from sqlite_utils import Database, Migrations

from crescent_lite.store import schema_of_runs, schema_of_truths
from crescent_lite.store.views import statements_to_drop, statements_to_recreate

migrations = Migrations("crescent_lite")

TABLES = (
    """CREATE TABLE prompts (
        sha256 TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE models (
        model_id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('base', 'adapter', 'merged')),
        source TEXT NOT NULL,
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        parent_id INTEGER REFERENCES models,
        created_at TEXT NOT NULL
    ) STRICT""",
    # The same adapter file on another base is another model.
    "CREATE UNIQUE INDEX models_by_sha256 ON models (kind, sha256, ifnull(parent_id, 0))",
    """CREATE TABLE runs (
        run_id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('improvement', 'evaluation')),
        state TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'failed', 'finished')),
        reason TEXT,
        rounds INTEGER NOT NULL,
        base_id INTEGER NOT NULL REFERENCES models,
        config TEXT NOT NULL,
        inputs TEXT NOT NULL,
        version TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT
    ) STRICT""",
    """CREATE TABLE rounds (
        round_id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES runs,
        number INTEGER NOT NULL,
        model_id INTEGER NOT NULL REFERENCES models,
        adapter_id INTEGER REFERENCES models,
        outcome TEXT,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        UNIQUE (run_id, number)
    ) STRICT""",
    """CREATE TABLE stages (
        run_id INTEGER NOT NULL REFERENCES runs,
        round_number INTEGER NOT NULL,
        stage TEXT NOT NULL,
        seconds REAL NOT NULL DEFAULT 0,
        sampling_seconds REAL NOT NULL DEFAULT 0,
        tokens INTEGER NOT NULL DEFAULT 0,
        prompt_tokens INTEGER NOT NULL DEFAULT 0,
        finished_at TEXT,
        PRIMARY KEY (run_id, round_number, stage)
    ) STRICT""",
    """CREATE TABLE questions (
        question_id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES rounds,
        ask_index INTEGER,
        text TEXT NOT NULL,
        raw_text TEXT NOT NULL,
        verdict TEXT CHECK (verdict IN ('kept', 'rejected')),
        reason TEXT,
        duplicate_of INTEGER REFERENCES questions,
        similarity REAL,
        rewritten_from INTEGER UNIQUE REFERENCES questions,
        rewrites INTEGER NOT NULL DEFAULT 0,
        prompt_sha256 TEXT NOT NULL REFERENCES prompts,
        model_id INTEGER NOT NULL REFERENCES models,
        seed INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        finish_reason TEXT NOT NULL,
        created_at TEXT NOT NULL,
        UNIQUE (round_id, ask_index),
        CHECK ((ask_index IS NULL) = (rewritten_from IS NOT NULL)),
        CHECK ((verdict IS NULL) = (reason IS NULL))
    ) STRICT""",
    """CREATE TABLE votes (
        vote_id INTEGER PRIMARY KEY,
        question_id INTEGER NOT NULL REFERENCES questions,
        sample_index INTEGER NOT NULL,
        text TEXT NOT NULL,
        finish_reason TEXT NOT NULL,
        answer_raw TEXT,
        answer_key TEXT,
        answer_form TEXT,
        tokens INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        model_id INTEGER NOT NULL REFERENCES models,
        prompt_sha256 TEXT NOT NULL REFERENCES prompts,
        created_at TEXT NOT NULL,
        UNIQUE (question_id, sample_index)
    ) STRICT""",
    """CREATE TABLE consensus (
        question_id INTEGER PRIMARY KEY REFERENCES questions,
        decision TEXT NOT NULL CHECK (decision IN ('labelled', 'rejected')),
        reason TEXT NOT NULL,
        answer_key TEXT,
        share REAL NOT NULL,
        votes INTEGER NOT NULL,
        abstentions INTEGER NOT NULL,
        distinct_answers INTEGER NOT NULL,
        chosen_vote INTEGER REFERENCES votes,
        CHECK ((decision = 'labelled') = (chosen_vote IS NOT NULL))
    ) STRICT""",
    """CREATE TABLE trainings (
        training_id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES rounds,
        state TEXT NOT NULL CHECK (state IN ('running', 'interrupted', 'failed', 'finished')),
        loader TEXT,
        adapter_id INTEGER REFERENCES models,
        seconds REAL,
        details TEXT,
        started_at TEXT NOT NULL,
        finished_at TEXT
    ) STRICT""",
    """CREATE TABLE examples (
        training_id INTEGER NOT NULL REFERENCES trainings,
        question_id INTEGER NOT NULL REFERENCES questions,
        vote_id INTEGER NOT NULL REFERENCES votes,
        tokens INTEGER NOT NULL,
        PRIMARY KEY (training_id, question_id)
    ) STRICT""",
    """CREATE TABLE training_steps (
        training_id INTEGER NOT NULL REFERENCES trainings,
        step INTEGER NOT NULL,
        steps INTEGER NOT NULL,
        epoch REAL NOT NULL,
        loss REAL NOT NULL,
        learning_rate REAL NOT NULL,
        tokens INTEGER NOT NULL,
        tokens_per_second REAL NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (training_id, step)
    ) STRICT""",
    """CREATE TABLE benchmarks (
        benchmark_id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        items INTEGER NOT NULL,
        UNIQUE (name, sha256)
    ) STRICT""",
    """CREATE TABLE benchmark_items (
        benchmark_id INTEGER NOT NULL REFERENCES benchmarks,
        item_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        answer_key TEXT NOT NULL,
        PRIMARY KEY (benchmark_id, item_id)
    ) STRICT""",
    """CREATE TABLE evaluations (
        evaluation_id INTEGER PRIMARY KEY,
        model_id INTEGER NOT NULL REFERENCES models,
        benchmark_id INTEGER NOT NULL REFERENCES benchmarks,
        prompt TEXT NOT NULL,
        prompt_sha256 TEXT NOT NULL REFERENCES prompts,
        settings TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        UNIQUE (model_id, benchmark_id, prompt_sha256, settings)
    ) STRICT""",
    """CREATE TABLE evaluated_items (
        evaluation_id INTEGER NOT NULL REFERENCES evaluations,
        item_id TEXT NOT NULL,
        text TEXT NOT NULL,
        finish_reason TEXT NOT NULL,
        answer_raw TEXT,
        answer_key TEXT,
        strict INTEGER NOT NULL CHECK (strict IN (0, 1)),
        flexible INTEGER NOT NULL CHECK (flexible IN (0, 1)),
        tokens INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        PRIMARY KEY (evaluation_id, item_id)
    ) STRICT""",
    """CREATE TABLE run_evaluations (
        run_id INTEGER NOT NULL REFERENCES runs,
        round_number INTEGER NOT NULL,
        evaluation_id INTEGER NOT NULL REFERENCES evaluations,
        PRIMARY KEY (run_id, round_number, evaluation_id)
    ) STRICT""",
    """CREATE TABLE events (
        event_id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES runs,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX questions_by_verdict ON questions (round_id, verdict, reason)",
    "CREATE INDEX votes_by_answer ON votes (question_id, answer_key)",
    "CREATE INDEX events_by_run ON events (run_id, event_id)",
)

VIEWS = (
    """CREATE VIEW v_questions AS
    SELECT q.question_id, d.run_id, d.number AS round, q.text, q.verdict, q.reason,
           q.duplicate_of, q.similarity, q.rewritten_from, c.decision, c.reason AS decision_reason,
           c.answer_key, c.share, c.votes, c.distinct_answers
    FROM questions q JOIN rounds d USING (round_id) LEFT JOIN consensus c USING (question_id)""",
    """CREATE VIEW v_labels AS
    SELECT q.question_id, d.run_id, d.number AS round, q.text AS question, c.answer_key AS label,
           c.share, v.text AS solution, v.vote_id
    FROM consensus c JOIN questions q USING (question_id) JOIN rounds d USING (round_id)
    JOIN votes v ON v.vote_id = c.chosen_vote
    WHERE c.decision = 'labelled'""",
    """CREATE VIEW v_rejections AS
    SELECT q.question_id, d.run_id, d.number AS round, q.reason, q.text, q.raw_text,
           q.duplicate_of, m.text AS match, q.similarity
    FROM questions q JOIN rounds d USING (round_id) LEFT JOIN questions m ON m.question_id = q.duplicate_of
    WHERE q.verdict = 'rejected'""",
    """CREATE VIEW v_scores AS
    SELECT r.run_id, r.round_number AS round, b.name AS benchmark, e.prompt,
           count(*) AS items, sum(i.flexible) AS right_flexible, sum(i.strict) AS right_strict,
           avg(i.flexible) AS flexible, avg(i.strict) AS strict
    FROM run_evaluations r JOIN evaluations e USING (evaluation_id)
    JOIN benchmarks b USING (benchmark_id) JOIN evaluated_items i USING (evaluation_id)
    GROUP BY r.run_id, r.round_number, b.name, e.prompt""",
)


@migrations()
def m001_first_schema(database: Database) -> None:
    """Tables and views for everything that a run stores."""
    for statement in (*TABLES, *VIEWS):
        database.execute(statement)


V_QUESTIONS = """CREATE VIEW v_questions AS
    SELECT q.question_id, d.run_id, d.number AS round, q.text, q.verdict, q.reason,
           q.duplicate_of, q.similarity, q.rewritten_from, c.decision, c.reason AS decision_reason,
           c.answer_key, c.share, c.planned AS votes_planned, c.votes, c.planned - c.votes AS votes_saved,
           c.stopped, c.distinct_answers
    FROM questions q JOIN rounds d USING (round_id) LEFT JOIN consensus c USING (question_id)"""


@migrations()
def m002_adaptive_votes(database: Database) -> None:
    """Planned votes and why voting on a question stopped; samples that were paused and servers that were lost."""
    for statement in (
        "ALTER TABLE consensus ADD COLUMN planned INTEGER NOT NULL DEFAULT 0",
        "UPDATE consensus SET planned = votes",
        "ALTER TABLE consensus ADD COLUMN stopped TEXT NOT NULL DEFAULT 'all_drawn'",
        "ALTER TABLE stages ADD COLUMN pauses INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE stages ADD COLUMN lost_servers INTEGER NOT NULL DEFAULT 0",
        "DROP VIEW v_questions",
        V_QUESTIONS,
    ):
        database.execute(statement)


V_QUESTIONS_3 = """CREATE VIEW v_questions AS
    SELECT q.question_id, d.run_id, d.number AS round, q.text, q.verdict, q.reason, q.steering,
           q.duplicate_of, q.similarity, q.benchmark_item, q.semantic_match, q.semantic_similarity,
           q.rewritten_from, c.decision,
           c.reason AS decision_reason, c.answer_key, c.share, c.margin, c.entropy, c.planned AS votes_planned,
           c.votes, c.planned - c.votes AS votes_saved, c.stopped, c.distinct_answers
    FROM questions q JOIN rounds d USING (round_id) LEFT JOIN consensus c USING (question_id)"""
V_REJECTIONS_3 = """CREATE VIEW v_rejections AS
    SELECT q.question_id, d.run_id, d.number AS round, q.reason, q.text, q.raw_text, q.duplicate_of,
           coalesce(m.text, i.question) AS match, q.similarity, q.benchmark_item
    FROM questions q JOIN rounds d USING (round_id) LEFT JOIN questions m ON m.question_id = q.duplicate_of
    LEFT JOIN benchmarks b ON b.name = substr(q.benchmark_item, 1, instr(q.benchmark_item, '/') - 1)
        AND b.benchmark_id IN (SELECT e.benchmark_id FROM run_evaluations r JOIN evaluations e USING (evaluation_id)
            WHERE r.run_id = d.run_id)
    LEFT JOIN benchmark_items i ON i.benchmark_id = b.benchmark_id
        AND i.item_id = substr(q.benchmark_item, instr(q.benchmark_item, '/') + 1)
    WHERE q.verdict = 'rejected'"""
V_ACCEPTANCE = """CREATE VIEW v_acceptance AS
    SELECT run_id, round, hundred AS hundred_texts, count(*) AS texts, sum(kept) AS kept, avg(kept) AS acceptance,
           sum(reason = 'near_duplicate') AS near_duplicates, sum(reason = 'same_template') AS same_template
    FROM (SELECT d.run_id, d.number AS round, q.verdict = 'kept' AS kept, q.reason,
              (row_number() OVER (PARTITION BY q.round_id ORDER BY q.question_id) - 1) / 100 + 1 AS hundred
          FROM questions q JOIN rounds d USING (round_id) WHERE q.verdict IS NOT NULL)
    GROUP BY run_id, round, hundred"""


@migrations()
def m003_questions_and_labels_to_trust(database: Database) -> None:
    """Steering of baits, contaminated questions, rounds that stop asking early; margin and entropy of the votes."""
    for statement in (
        "ALTER TABLE questions ADD COLUMN steering TEXT",
        "ALTER TABLE questions ADD COLUMN benchmark_item TEXT",
        "ALTER TABLE questions ADD COLUMN semantic_match INTEGER REFERENCES questions",
        "ALTER TABLE questions ADD COLUMN semantic_similarity REAL",
        "ALTER TABLE rounds ADD COLUMN asking_stopped TEXT",
        "ALTER TABLE votes ADD COLUMN mean_logprob REAL",
        "ALTER TABLE consensus ADD COLUMN margin REAL",
        "ALTER TABLE consensus ADD COLUMN entropy REAL",
        # Texts are judged as they are asked, so both are one stage from now on.
        """UPDATE stages SET seconds = stages.seconds + d.seconds, tokens = stages.tokens + d.tokens,
            sampling_seconds = stages.sampling_seconds + d.sampling_seconds, pauses = stages.pauses + d.pauses,
            prompt_tokens = stages.prompt_tokens + d.prompt_tokens
            FROM (SELECT * FROM stages WHERE stage = 'diversify') d
            WHERE stages.stage = 'ask' AND d.run_id = stages.run_id AND d.round_number = stages.round_number""",
        "DELETE FROM stages WHERE stage = 'diversify'",
        "DROP VIEW v_questions",
        "DROP VIEW v_rejections",
        V_QUESTIONS_3,
        V_REJECTIONS_3,
        V_ACCEPTANCE,
    ):
        database.execute(statement)


@migrations()
def m004_trainings_that_go_on(database: Database) -> None:
    """Why a training ended early; the loss on held-out examples; runs that learn from another run's labels."""
    for statement in (
        "ALTER TABLE runs ADD COLUMN teacher_id INTEGER REFERENCES runs",
        "ALTER TABLE trainings ADD COLUMN stopped TEXT",
        "ALTER TABLE training_steps ADD COLUMN held_out_loss REAL",
    ):
        database.execute(statement)


@migrations()
def m005_rounds_to_choose_from(database: Database) -> None:
    """The round of a run that the user chose to keep."""
    database.execute("ALTER TABLE runs ADD COLUMN chosen_round INTEGER")


EVALUATED_ITEMS_6 = """CREATE TABLE evaluated_items (
        evaluation_id INTEGER NOT NULL REFERENCES evaluations,
        item_id TEXT NOT NULL,
        sample_index INTEGER NOT NULL,
        text TEXT NOT NULL,
        finish_reason TEXT NOT NULL,
        answer_raw TEXT,
        answer_key TEXT,
        strict INTEGER NOT NULL CHECK (strict IN (0, 1)),
        flexible INTEGER NOT NULL CHECK (flexible IN (0, 1)),
        second_opinion INTEGER CHECK (second_opinion IN (0, 1)),
        tokens INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        PRIMARY KEY (evaluation_id, item_id, sample_index)
    ) STRICT"""
V_SCORES_6 = """CREATE VIEW v_scores AS
    SELECT r.run_id, r.round_number AS round, b.name AS benchmark, e.prompt, e.samples, r.role,
           count(DISTINCT i.item_id) AS items, sum(i.flexible) AS right_flexible, sum(i.strict) AS right_strict,
           avg(i.flexible) AS flexible, avg(i.strict) AS strict, avg(i.second_opinion) AS second_opinion
    FROM run_evaluations r JOIN evaluations e USING (evaluation_id)
    JOIN benchmarks b USING (benchmark_id) JOIN evaluated_items i USING (evaluation_id)
    GROUP BY r.run_id, r.round_number, r.evaluation_id"""
MEASURES = """CREATE TABLE measures (
        run_id INTEGER NOT NULL REFERENCES runs,
        round_number INTEGER NOT NULL,
        name TEXT NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (run_id, round_number, name)
    ) STRICT"""
ALARMS = """CREATE TABLE alarms (
        run_id INTEGER NOT NULL REFERENCES runs,
        round_number INTEGER NOT NULL,
        name TEXT NOT NULL,
        fired INTEGER NOT NULL CHECK (fired IN (0, 1)),
        words TEXT NOT NULL,
        PRIMARY KEY (run_id, round_number, name)
    ) STRICT"""


@migrations()
def m006_evidence(database: Database) -> None:
    """Several replies to an item, second opinions on them, the roles of benchmarks; measures, alarms and controls."""
    for statement in (
        "DROP VIEW v_scores",
        "ALTER TABLE evaluated_items RENAME TO evaluated_items_5",
        EVALUATED_ITEMS_6,
        """INSERT INTO evaluated_items (evaluation_id, item_id, sample_index, text, finish_reason, answer_raw,
            answer_key, strict, flexible, tokens, seed)
            SELECT evaluation_id, item_id, 0, text, finish_reason, answer_raw, answer_key, strict, flexible, tokens,
                seed FROM evaluated_items_5""",
        "DROP TABLE evaluated_items_5",
        "ALTER TABLE benchmarks ADD COLUMN kind TEXT NOT NULL DEFAULT 'answers'",
        "ALTER TABLE benchmarks ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE evaluations ADD COLUMN samples INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE run_evaluations ADD COLUMN role TEXT NOT NULL DEFAULT 'score'",
        "ALTER TABLE runs ADD COLUMN control TEXT",
        "ALTER TABLE runs ADD COLUMN control_of INTEGER REFERENCES runs",
        MEASURES,
        ALARMS,
        V_SCORES_6,
    ):
        database.execute(statement)


NOTES = """CREATE TABLE notes (
        note_id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        question_id INTEGER NOT NULL REFERENCES questions,
        text TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT"""
QUESTIONS_FTS = (
    """CREATE VIRTUAL TABLE questions_fts USING fts5 (
        text, content = 'questions', content_rowid = 'question_id', prefix = '2 3',
        tokenize = 'unicode61 remove_diacritics 2'
    )""",
    """CREATE TRIGGER questions_fts_insert AFTER INSERT ON questions BEGIN
        INSERT INTO questions_fts (rowid, text) VALUES (new.question_id, new.text);
    END""",
    """CREATE TRIGGER questions_fts_update AFTER UPDATE OF text ON questions BEGIN
        INSERT INTO questions_fts (questions_fts, rowid, text) VALUES ('delete', old.question_id, old.text);
        INSERT INTO questions_fts (rowid, text) VALUES (new.question_id, new.text);
    END""",
    """CREATE TRIGGER questions_fts_delete AFTER DELETE ON questions BEGIN
        INSERT INTO questions_fts (questions_fts, rowid, text) VALUES ('delete', old.question_id, old.text);
    END""",
    "INSERT INTO questions_fts (questions_fts) VALUES ('rebuild')",
)


@migrations()
def m007_notes_and_search(database: Database) -> None:
    """People's notes on questions; a full-text index of questions, to search while somebody types."""
    for statement in (NOTES, "CREATE INDEX notes_by_question ON notes (question_id)", *QUESTIONS_FTS):
        database.execute(statement)


SOLUTIONS_FTS = (
    """CREATE VIRTUAL TABLE solutions_fts USING fts5 (
        text, content = 'votes', content_rowid = 'vote_id', tokenize = 'unicode61 remove_diacritics 2'
    )""",
    # A question's votes are indexed together once they are complete, so that storing one vote stays fast.
    """CREATE TRIGGER solutions_fts_insert AFTER INSERT ON consensus BEGIN
        INSERT INTO solutions_fts (rowid, text) SELECT vote_id, text FROM votes WHERE question_id = new.question_id;
    END""",
    """CREATE TRIGGER solutions_fts_delete AFTER DELETE ON consensus BEGIN
        INSERT INTO solutions_fts (solutions_fts, rowid, text)
            SELECT 'delete', vote_id, text FROM votes WHERE question_id = old.question_id;
    END""",
    """CREATE TRIGGER solutions_fts_vote_delete AFTER DELETE ON votes
    WHEN EXISTS (SELECT 1 FROM consensus WHERE question_id = old.question_id) BEGIN
        INSERT INTO solutions_fts (solutions_fts, rowid, text) VALUES ('delete', old.vote_id, old.text);
    END""",
    """CREATE TRIGGER solutions_fts_vote_update AFTER UPDATE OF text ON votes
    WHEN EXISTS (SELECT 1 FROM consensus WHERE question_id = old.question_id) BEGIN
        INSERT INTO solutions_fts (solutions_fts, rowid, text) VALUES ('delete', old.vote_id, old.text);
        INSERT INTO solutions_fts (rowid, text) VALUES (new.vote_id, new.text);
    END""",
    """INSERT INTO solutions_fts (rowid, text)
        SELECT vote_id, votes.text FROM votes JOIN consensus USING (question_id)""",
)
TRIGGERS = tuple(each for each in (*QUESTIONS_FTS, *SOLUTIONS_FTS) if each.startswith("CREATE TRIGGER"))
"""Every trigger of this project."""
INDEXES_8 = (
    "CREATE INDEX consensus_by_decision ON consensus (decision, share)",
    "CREATE INDEX consensus_by_margin ON consensus (margin) WHERE distinct_answers > 1",
    "CREATE INDEX questions_by_match ON questions (duplicate_of) WHERE duplicate_of IS NOT NULL",
    "CREATE INDEX questions_external ON questions (round_id) WHERE external_id IS NOT NULL",
    "CREATE INDEX examples_by_question ON examples (question_id)",
)


@migrations()
def m008_views_for_analysis(database: Database) -> None:
    """Questions from a user's file; a full-text index of solutions; views for analysis and indexes for them."""
    external = "ALTER TABLE questions ADD COLUMN external_id TEXT"
    for statement in (external, *SOLUTIONS_FTS, *INDEXES_8, *statements_to_drop()):
        database.execute(statement)


MARGINS = """UPDATE consensus SET margin = share - 1.0 * coalesce(
        (SELECT count(*) FROM votes v WHERE v.question_id = consensus.question_id
            AND v.answer_key <> consensus.answer_key GROUP BY v.answer_key ORDER BY count(*) DESC LIMIT 1), 0)
        / (SELECT count(*) FROM votes v WHERE v.question_id = consensus.question_id)
    WHERE margin IS NULL AND answer_key IS NOT NULL"""
"""Computes the margin of questions that were decided before margins were stored."""


@migrations()
def m009_what_is_referred_to_is_named(database: Database) -> None:
    """Foreign keys name their column, which Datasette requires; margins of older questions."""
    name_referred_columns(database)
    for statement in (MARGINS, *statements_to_drop()):
        database.execute(statement)


@migrations()
def m010_the_tokens_of_votes(database: Database) -> None:
    """The ids of the tokens that each vote was drawn with; unknown for older votes."""
    database.execute("ALTER TABLE votes ADD COLUMN token_ids BLOB")


IN_THOUGHTS = "(text LIKE '%<think%' AND text NOT LIKE '%</think%')"
WHY = f"""CASE WHEN {IN_THOUGHTS} THEN 'in_thoughts' WHEN finish_reason <> 'stop' THEN 'cut_off'
    ELSE 'no_answer' END"""
"""The reason of older replies without an answer, whose thoughts are told by the commonest tag only."""


@migrations()
def m011_why_a_reply_has_no_answer(database: Database) -> None:
    """Why a vote or an evaluated reply has no answer, for instance because it never left its thoughts."""
    for table in ("votes", "evaluated_items"):
        database.execute(f"ALTER TABLE {table} ADD COLUMN abstained TEXT")
        database.execute(f"UPDATE {table} SET abstained = {WHY} WHERE answer_key IS NULL")
    for statement in statements_to_drop():
        database.execute(statement)


PAIRS = (
    """CREATE TABLE new_examples (
        training_id INTEGER NOT NULL REFERENCES trainings (training_id),
        position INTEGER NOT NULL,
        question_id INTEGER NOT NULL REFERENCES questions (question_id),
        vote_id INTEGER NOT NULL REFERENCES votes (vote_id),
        loser_vote_id INTEGER REFERENCES votes (vote_id),
        weight REAL NOT NULL DEFAULT 1,
        tokens INTEGER NOT NULL,
        PRIMARY KEY (training_id, position)
    ) STRICT""",
    """INSERT INTO new_examples (training_id, position, question_id, vote_id, tokens)
        SELECT training_id, row_number() OVER (PARTITION BY training_id ORDER BY question_id) - 1, question_id,
            vote_id, tokens FROM examples""",
    "DROP TABLE examples",
    "ALTER TABLE new_examples RENAME TO examples",
    "CREATE INDEX examples_by_question ON examples (question_id)",
    "ALTER TABLE training_steps ADD COLUMN measures TEXT",
)


@migrations()
def m012_pairs_to_learn_from(database: Database) -> None:
    """Several examples of a question, each with a weight and perhaps a losing vote; figures beside a step's loss."""
    for statement in (*statements_to_drop(), *PAIRS):
        database.execute(statement)


@migrations()
def m013_which_run_is_which(database: Database) -> None:
    """Names, notes and sweeps of runs; what differs from the preset; automatic settings; samples of the machine."""
    for statement in (*statements_to_drop(), *schema_of_runs.TABLES):
        database.execute(statement)
    schema_of_runs.fill_differences(database)


@migrations()
def m014_answers_of_own_questions(database: Database) -> None:
    """The right answers that came with the user's own questions, by which labels are judged."""
    for statement in (*schema_of_truths.TABLES, *statements_to_recreate()):
        database.execute(statement)


def name_referred_columns(database: Database) -> None:
    """Turn `REFERENCES models` into `REFERENCES models (model_id)`, which means the same, so no row changes.

    SQLite has no statement for this. Source of the procedure: sqlite.org/lang_altertable.html, section 7.
    """
    tables = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE '%REFERENCES%'")
    keys = dict(
        database.execute("SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE c.pk")
    )
    version = database.execute("PRAGMA schema_version").fetchone()[0]
    database.execute("PRAGMA writable_schema = ON")
    for name, sql in tables.fetchall():
        worded = re.sub(r"REFERENCES (\w+)(?!\s*\(|\w)", lambda found: f"{found[0]} ({keys[found[1]]})", sql)
        database.execute("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", [worded, name])
    database.execute(f"PRAGMA schema_version = {version + 1}")
    database.execute("PRAGMA writable_schema = OFF")
