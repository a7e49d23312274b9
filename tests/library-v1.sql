-- A library as version 1 made it. Never change this file: it stands for those that people have.
CREATE TABLE insights (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    insight_id TEXT NOT NULL UNIQUE,
    content_id TEXT NOT NULL,
    text TEXT NOT NULL,
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    source TEXT NOT NULL,
    url TEXT NOT NULL,
    date TEXT NOT NULL,
    tags TEXT NOT NULL,
    note TEXT NOT NULL,
    added_at TEXT NOT NULL,
    about TEXT AS (title || ' ' || author || ' ' || source || ' ' || tags || ' ' || note)
);
CREATE INDEX insights_by_content ON insights (content_id);
CREATE TABLE passages (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    passage_id TEXT NOT NULL UNIQUE,
    insight_id TEXT NOT NULL REFERENCES insights (insight_id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL
);
CREATE INDEX passages_by_insight ON passages (insight_id);
CREATE TABLE vectors (
    key INTEGER NOT NULL REFERENCES passages (key) ON DELETE CASCADE,
    fingerprint TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (key, fingerprint)
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE VIRTUAL TABLE passages_fts USING fts5 (text, about, tokenize = 'porter unicode61 remove_diacritics 2');
CREATE TRIGGER passage_added AFTER INSERT ON passages BEGIN
    INSERT INTO passages_fts (rowid, text, about)
    SELECT new.key, substr(text, new.start + 1, new."end" - new.start), about
    FROM insights WHERE insight_id = new.insight_id;
END;
CREATE TRIGGER passage_removed AFTER DELETE ON passages BEGIN
    DELETE FROM passages_fts WHERE rowid = old.key;
END;
CREATE TRIGGER insight_described AFTER UPDATE OF title, author, source, tags, note ON insights BEGIN
    UPDATE passages_fts SET about = new.about
    WHERE rowid IN (SELECT key FROM passages WHERE insight_id = new.insight_id);
END;
INSERT INTO meta VALUES ('library_id', '0123456789abcdef0123456789abcdef'), ('revision', '3');
INSERT INTO insights (insight_id, content_id, text, title, author, source, url, date, tags, note, added_at) VALUES
    ('r1', 'cb76b8bd4ed16b41', 'Rope shrinks when it is wet.', 'Rope', 'Ida Quill', 'Knots', 'https://knots.example/1',
     '2023-04', '["rope", "sea"]', 'Try it.', '2024-01-02T03:04:05+00:00'),
    ('9fc2ef34d217b9c6', '9fc2ef34d217b9c6', 'Tar keeps rope dry for a season.', '', '', '', '', '', '[]', '',
     '2024-01-02T03:04:06+00:00');
INSERT INTO passages (passage_id, insight_id, start, "end") VALUES
    ('r1#0', 'r1', 0, 28),
    ('9fc2ef34d217b9c6#0', '9fc2ef34d217b9c6', 0, 32);
INSERT INTO vectors VALUES (1, 'model-1', x'0000803f000000000000000000000000');
PRAGMA application_id = 1181708148;
PRAGMA user_version = 1;
