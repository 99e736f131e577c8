"""The outbox's statements for SQLite, each whole: to try one in sqlite3, fill in what stands as ``%(name)s``.

Times are as Django writes a DateTimeField, so that both compare as text; ``%%`` in them stands for ``%``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

# What is held is asked for by sets that are made once for the whole page, so that thousands of refused keys cost little
# more than one. The second one, of the rows that come before the refused one of their key, is made only if there are
# held rows at all.
PAGE = """\
WITH held AS MATERIALIZED (
    SELECT topic, key, min(id) AS since FROM kafka_integration_outboxmessage
    WHERE refused_at IS NOT NULL AND key IS NOT NULL GROUP BY topic, key
)
SELECT id, topic, key, value, headers, partition, timestamp_ms,
    CAST(round((julianday(created_at) - 2440587.5) * 86400000.0) AS INTEGER)
FROM (
    SELECT m.*, sum(octets) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - octets AS octets_before FROM (
        SELECT m.id, m.topic, m.key, m.value, m.headers, m.partition, m.timestamp_ms, m.created_at,
            coalesce(length(m.key), 0) + coalesce(length(m.value), 0) + length(CAST(m.headers AS BLOB)) AS octets
        FROM kafka_integration_outboxmessage m
        WHERE m.refused_at IS NULL
        AND m.id NOT IN (SELECT value FROM json_each(%(without_ids)s))
        AND m.topic NOT IN (SELECT value FROM json_each(%(without_topics)s))
        AND (m.key IS NULL OR (m.topic, m.key) NOT IN (SELECT topic, key FROM held) OR m.id IN (
            SELECT id FROM (
                SELECT e.id, min(CASE WHEN e.refused_at IS NOT NULL THEN e.id END)
                    OVER (PARTITION BY e.topic, e.key) AS since
                FROM kafka_integration_outboxmessage e
                WHERE e.id <= (SELECT max(since) FROM held) AND (e.topic, e.key) IN (SELECT topic, key FROM held)
            ) of_held_keys WHERE id < since
        ))
        ORDER BY m.id LIMIT %(limit)s
    ) m
) m WHERE octets_before < %(max_bytes)s ORDER BY id
"""

DELETE = """\
DELETE FROM kafka_integration_outboxmessage
WHERE id IN (SELECT value FROM json_each(%(ids)s))
AND CAST(round((julianday(created_at) - 2440587.5) * 86400000.0) AS INTEGER)
    IN (SELECT value FROM json_each(%(stamps)s))
AND EXISTS (SELECT 1 FROM kafka_integration_relaylease WHERE name = 'outbox' AND epoch = %(epoch)s)
"""

REFUSE = """\
UPDATE kafka_integration_outboxmessage
SET refused_at = strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'), refusal = %(reason)s
WHERE id = %(id)s AND CAST(round((julianday(created_at) - 2440587.5) * 86400000.0) AS INTEGER) = %(stamp)s
AND EXISTS (SELECT 1 FROM kafka_integration_relaylease WHERE name = 'outbox' AND epoch = %(epoch)s)
"""

# The last id that was given is not the newest row's: a relay that keeps up leaves no rows.
BACKLOG = """\
SELECT (
    SELECT (julianday('now') - julianday(created_at)) * 86400.0 FROM kafka_integration_outboxmessage
    WHERE refused_at IS NULL ORDER BY id LIMIT 1
), (
    SELECT count(*) FROM kafka_integration_outboxmessage WHERE refused_at IS NOT NULL
), (
    SELECT holder FROM kafka_integration_relaylease
    WHERE name = 'outbox' AND expires_at > strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')
), (
    SELECT id FROM kafka_integration_outboxmessage WHERE refused_at IS NULL ORDER BY id LIMIT 1
), (
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'kafka_integration_outboxmessage'), 0)
)
"""

# It walks along indexes by itself.
KEEP_TO_INDEXES = ""

CREATE_LEASE = """\
INSERT INTO kafka_integration_relaylease (name, holder, epoch) VALUES ('outbox', '', 0)
ON CONFLICT DO NOTHING RETURNING epoch
"""

TAKE_LEASE = """\
UPDATE kafka_integration_relaylease
SET holder = %(holder)s, epoch = epoch + 1,
    expires_at = strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '+' || %(seconds)s || ' seconds')
WHERE name = 'outbox' AND (expires_at IS NULL OR expires_at < strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'))
RETURNING epoch
"""

RENEW_LEASE = """\
UPDATE kafka_integration_relaylease
SET expires_at = strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '+' || %(seconds)s || ' seconds')
WHERE name = 'outbox' AND epoch = %(epoch)s RETURNING epoch
"""

RELEASE_LEASE = """\
UPDATE kafka_integration_relaylease SET holder = '', expires_at = NULL
WHERE name = 'outbox' AND epoch = %(epoch)s RETURNING epoch
"""


def numbers(items: Iterable[int | str]) -> str:
    """A list as one parameter."""
    return json.dumps(list(items))


texts = numbers
