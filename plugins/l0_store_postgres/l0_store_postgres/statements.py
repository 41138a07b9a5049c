"""What is asked of the server. Each is one statement, and so one transaction and one round trip.

The first three parameters are the key of a stream: prefix, SHA-256 of the id, id.
"""

from __future__ import annotations

__all__ = ["BEGIN", "CONTINUE", "EXPLAIN", "HEAD", "LIST", "READ", "READ_SNAPSHOT", "REMOVE", "WRITE_SNAPSHOT"]

_STREAM = "prefix = $1 AND id_sha256 = $2 AND stream_id = $3"

_APPEND = """
    WITH head AS ({head} RETURNING id),
    kept AS (
        INSERT INTO l0_records (stream, append_id, seq, count, is_terminal, body)
        SELECT head.id, $7::uuid, record.*
        FROM head, unnest($8::bigint[], $9::integer[], $10::boolean[], $11::bytea[]) AS record
    )
    SELECT id FROM head
"""

BEGIN = _APPEND.format(
    head="""
    INSERT INTO l0_streams (prefix, id_sha256, stream_id, next_seq, is_ended, ts)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
    """
)
"""Key, next number, whether it ends, ts, append id; then of the records: numbers, counts, whether terminal, bodies.

Returns a row if the stream is new. Whoever writes the same stream meanwhile is waited for, here and in `CONTINUE`.
"""

CONTINUE = _APPEND.format(
    head=f"""
    UPDATE l0_streams SET next_seq = $4, is_ended = $5, ts = $6
    WHERE {_STREAM} AND next_seq = $12 AND NOT is_ended
    """
)
"""The same, and the expected number. Returns a row if the stream has it and goes on."""

EXPLAIN = f"""
    SELECT next_seq, is_ended, append_id
    FROM l0_streams LEFT JOIN l0_records ON stream = id AND seq = $4
    WHERE {_STREAM}
"""
"""Key, expected number: where the stream stands, and which append has written that number."""

READ = f"""
    WITH head AS (SELECT id FROM l0_streams WHERE {_STREAM}),
    first AS (
        SELECT seq FROM l0_records
        WHERE stream = (SELECT id FROM head) AND seq <= $4 ORDER BY seq DESC LIMIT 1
    )
    SELECT seq, count, body, is_terminal FROM l0_records
    WHERE stream = (SELECT id FROM head) AND seq >= coalesce((SELECT seq FROM first), 0) AND seq + count > $4
    ORDER BY seq LIMIT $5
"""
"""Key, number, limit or null: the records from the one that holds the number on."""

HEAD = f"SELECT next_seq, is_ended, ts FROM l0_streams WHERE {_STREAM}"

REMOVE = f"DELETE FROM l0_streams WHERE {_STREAM} RETURNING id"
"""Records and snapshots go with it. Returns a row if there was one."""

LIST = "SELECT stream_id FROM l0_streams WHERE prefix = $1 AND substring(stream_id FROM 1 FOR $3) = $2"
"""Prefix; the beginning of the ids, and its length in bytes."""

WRITE_SNAPSHOT = f"""
    WITH head AS (SELECT id FROM l0_streams WHERE {_STREAM}),
    kept AS (
        INSERT INTO l0_snapshots (stream, seq, body) SELECT id, $4, $5 FROM head
        ON CONFLICT (stream, seq) DO UPDATE SET body = excluded.body
    ),
    newest AS (
        SELECT seq FROM l0_snapshots
        WHERE stream = (SELECT id FROM head) AND seq <> $4 ORDER BY seq DESC LIMIT 7
    )
    DELETE FROM l0_snapshots
    WHERE stream = (SELECT id FROM head) AND seq < $4 AND seq NOT IN (SELECT seq FROM newest)
"""
"""Key, number, body. Of what is older than the eight newest nothing is kept."""

READ_SNAPSHOT = f"""
    SELECT body FROM l0_snapshots
    WHERE stream = (SELECT id FROM l0_streams WHERE {_STREAM}) AND seq <= $4 ORDER BY seq DESC LIMIT 1
"""
"""Key, highest number."""
