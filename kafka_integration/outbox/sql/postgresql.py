"""The outbox's statements for PostgreSQL, each whole: to try one in psql, fill in what stands as ``%(name)s``.

``clock_timestamp()`` is read anew in each statement; ``now()`` would stand still in a transaction. ``date_part()`` has
double precision, which is exact to the microsecond until 2106: ``extract()`` reckons in decimals, and took a quarter of
the time of removing a row.
"""

from __future__ import annotations

from collections.abc import Iterable

# Lengths of keys and values are known without reading them, those of headers only as they are stored, perhaps
# compressed: half of that is at most the size of their text. So a first sum leaves few rows whose headers are read for
# the second: a page of large rows costs no more memory than one of small ones. (The second LIMIT takes nothing away:
# it has the text of headers made once, not twice.)
#
# What is held is asked for by sets that are made once for the whole page, so that thousands of refused keys cost little
# more than one. Neither is made by a join, nor left to be turned into one (hence IS TRUE): a planner that last saw this
# table empty, as it mostly is, would compare each row with each refused key. The second set, of the rows that come
# before the refused one of their key, is made only if there are held rows at all.
#
# BETWEEN: statistics say nothing of a range whose ends are queries, so it is guessed to hold few rows. Told that most
# rows are refused, or nothing of them, the planner would read the whole table for the few, and sort it for the rest.
# unnest(array_agg()): no old statistics make it believe that there is only one held key, or too many ids for a hash.
# NOT IN (SELECT unnest()): hashed by each version, and taken for half of the rows; <> ALL compares each row with each
# item before 15.
PAGE = """\
WITH held AS MATERIALIZED (
    SELECT unnest(array_agg(topic)) AS topic, unnest(array_agg(key)) AS key, unnest(array_agg(since)) AS since FROM (
        SELECT topic, key, min(id) AS since FROM kafka_integration_outboxmessage
        WHERE refused_at BETWEEN (SELECT '-infinity'::timestamptz) AND (SELECT 'infinity'::timestamptz)
        AND key IS NOT NULL GROUP BY topic, key
    ) refused
)
SELECT id, topic, key, value, text, partition, timestamp_ms, (date_part('epoch', created_at) * 1000000)::bigint FROM (
    SELECT m.*, sum(octets + octet_length(text)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING)
        - octets - octet_length(text) AS octets_before
    FROM (
        SELECT m.*, headers::text AS text FROM (
            SELECT m.*, sum(octets + stored_octets) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING)
                - octets - stored_octets AS stored_before
            FROM (
                SELECT m.id, m.topic, m.key, m.value, m.headers, m.partition, m.timestamp_ms, m.created_at,
                    coalesce(length(m.key), 0) + coalesce(length(m.value), 0) AS octets,
                    pg_column_size(m.headers) / 2 AS stored_octets
                FROM kafka_integration_outboxmessage m
                WHERE (refused_at BETWEEN (SELECT '-infinity'::timestamptz) AND (SELECT 'infinity'::timestamptz))
                    IS NOT TRUE
                AND m.id NOT IN (SELECT unnest(%(without_ids)s::bigint[]))
                AND m.topic NOT IN (SELECT unnest(%(without_topics)s::text[]))
                AND (m.key IS NULL OR (m.topic, m.key) NOT IN (SELECT topic, key FROM held) OR m.id IN (
                    SELECT unnest(array_agg(id)) FROM (
                        SELECT e.id, min(CASE WHEN e.refused_at IS NOT NULL THEN e.id END)
                            OVER (PARTITION BY e.topic, e.key) AS since
                        FROM kafka_integration_outboxmessage e
                        WHERE e.id <= (SELECT max(since) FROM held)
                        AND ((e.topic, e.key) IN (SELECT topic, key FROM held)) IS TRUE
                    ) of_held_keys WHERE id < since
                ))
                ORDER BY m.id LIMIT %(limit)s
            ) m
        ) m WHERE stored_before < %(max_bytes)s ORDER BY id LIMIT %(limit)s
    ) m
) m WHERE octets_before < %(max_bytes)s ORDER BY id
"""

DELETE = """\
DELETE FROM kafka_integration_outboxmessage
WHERE id = ANY(%(ids)s::bigint[])
AND (date_part('epoch', created_at) * 1000000)::bigint = ANY(%(stamps)s::bigint[])
AND EXISTS (SELECT 1 FROM kafka_integration_relaylease WHERE name = 'outbox' AND epoch = %(epoch)s)
"""

REFUSE = """\
UPDATE kafka_integration_outboxmessage SET refused_at = clock_timestamp(), refusal = %(reason)s
WHERE id = %(id)s AND (date_part('epoch', created_at) * 1000000)::bigint = %(stamp)s
AND EXISTS (SELECT 1 FROM kafka_integration_relaylease WHERE name = 'outbox' AND epoch = %(epoch)s)
"""

# BETWEEN: as in PAGE. The last id that was given is not the newest row's: a relay that keeps up leaves no rows. Who may
# write rows need not be allowed to see the sequence.
BACKLOG = """\
SELECT (
    SELECT extract(epoch FROM clock_timestamp() - created_at) FROM kafka_integration_outboxmessage
    WHERE (refused_at BETWEEN (SELECT '-infinity'::timestamptz) AND (SELECT 'infinity'::timestamptz)) IS NOT TRUE
    ORDER BY id LIMIT 1
), (
    SELECT count(*) FROM kafka_integration_outboxmessage
    WHERE refused_at BETWEEN (SELECT '-infinity'::timestamptz) AND (SELECT 'infinity'::timestamptz)
), (
    SELECT holder FROM kafka_integration_relaylease WHERE name = 'outbox' AND expires_at > clock_timestamp()
), (
    SELECT id FROM kafka_integration_outboxmessage
    WHERE (refused_at BETWEEN (SELECT '-infinity'::timestamptz) AND (SELECT 'infinity'::timestamptz)) IS NOT TRUE
    ORDER BY id LIMIT 1
), (
    SELECT greatest(
        CASE WHEN has_sequence_privilege(ids, 'USAGE, SELECT') THEN coalesce(pg_sequence_last_value(ids), 0) END,
        (SELECT id FROM kafka_integration_outboxmessage ORDER BY id DESC LIMIT 1)
    ) FROM (SELECT pg_get_serial_sequence('kafka_integration_outboxmessage', 'id')::regclass AS ids) of_rows
)
"""

# For what walks along an index and stops early. No query text makes that certain: where statistics are missing or old,
# PostgreSQL may expect so few rows, or rows so scattered, that it reads the whole table and sorts it. A forbidden plan
# counts as dear, and what is dear is compiled first, unless that is forbidden too.
KEEP_TO_INDEXES = """\
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true)
"""

CREATE_LEASE = """\
INSERT INTO kafka_integration_relaylease (name, holder, epoch) VALUES ('outbox', '', 0)
ON CONFLICT DO NOTHING RETURNING epoch
"""

TAKE_LEASE = """\
UPDATE kafka_integration_relaylease
SET holder = %(holder)s, epoch = epoch + 1, expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE name = 'outbox' AND (expires_at IS NULL OR expires_at < clock_timestamp()) RETURNING epoch
"""

RENEW_LEASE = """\
UPDATE kafka_integration_relaylease SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE name = 'outbox' AND epoch = %(epoch)s RETURNING epoch
"""

RELEASE_LEASE = """\
UPDATE kafka_integration_relaylease SET holder = '', expires_at = NULL
WHERE name = 'outbox' AND epoch = %(epoch)s RETURNING epoch
"""


def numbers(items: Iterable[int]) -> str:
    """A list as one parameter. Written by hand: the driver's own writing of a long one takes longer than the query."""
    return "{" + ",".join(map(str, items)) + "}"


def texts(items: Iterable[str]) -> list[str]:
    """A list as one parameter."""
    return list(items)
