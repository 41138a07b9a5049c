"""What the server does in one step, in Lua.

An entry of a stream has the id `<next>-<ended>`: the number of the event after it, and 1 if nothing may follow. So the
last id says where the stream stands, and ids alone find the record that holds an event. Its fields are, in this order,
`by` (which call has written it), `ts`, `n` (how many events it holds) and `body`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import NoScriptError

__all__ = ["APPEND", "READ_HEAD", "READ_SNAPSHOT", "REMOVE", "WRITE_SNAPSHOT", "Script"]


@dataclass(frozen=True)
class Script:
    """A script that the server is sent once, and then knows by its digest."""

    text: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())

    async def run(self, client: Any, keys: Sequence[bytes], args: Sequence[bytes | str | int] = ()) -> Any:
        """What it returns."""
        try:
            return await client.evalsha(self.digest, len(keys), *keys, *args)
        except NoScriptError:
            return await client.eval(self.text, len(keys), *keys, *args)


APPEND = Script("""
local stream, snapshots = KEYS[1], KEYS[2]
local expected, ttl, ts, by = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local actual, ended = '0', '0'
if last then
  actual, ended = string.match(last[1], '(%d+)-(%d+)')
end
if ended ~= '0' or actual ~= expected then
  -- The connection may have been lost after this very call was carried out, and the client has sent it again.
  local place = ARGV[#ARGV - 2]
  local entry = redis.call('XRANGE', stream, place, place)[1]
  if entry and entry[2][2] == by then
    return {'ok', actual}
  end
  return {ended ~= '0' and 'ended' or 'wrong', actual}
end
if not last then
  -- A server that is short of memory may have evicted the stream alone.
  redis.call('UNLINK', snapshots)
end
for i = 5, #ARGV, 3 do
  redis.call('XADD', stream, ARGV[i], 'by', by, 'ts', ts, 'n', ARGV[i + 1], 'body', ARGV[i + 2])
end
for _, key in ipairs(KEYS) do
  if ttl > 0 then
    redis.call('PEXPIRE', key, ttl)
  else
    redis.call('PERSIST', key)
  end
end
return {'ok', actual}
""")
"""Keys: stream, snapshots. Arguments: the expected number, ttl, ts, by; then id, n and body of each record."""

READ_HEAD = Script("""
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
return last and {last[1], last[2][4]}
""")
"""Keys: stream. Returns the id and the ts of the last entry, without its body."""

REMOVE = Script("""
local found = redis.call('EXISTS', KEYS[1])
redis.call('UNLINK', KEYS[1], KEYS[2])
return found
""")
"""Keys: stream, snapshots. Returns 1 if there was a stream."""

WRITE_SNAPSHOT = Script("""
local stream, snapshots = KEYS[1], KEYS[2]
if redis.call('EXISTS', stream) == 0 then
  return
end
redis.call('HSET', snapshots, ARGV[1], ARGV[2])
local seqs = redis.call('HKEYS', snapshots)
table.sort(seqs, function(a, b) return tonumber(a) < tonumber(b) end)
for i = 1, #seqs - 8 do
  redis.call('HDEL', snapshots, seqs[i])
end
local left = redis.call('PTTL', stream)
if left > 0 then
  redis.call('PEXPIRE', snapshots, left)
end
""")
"""Keys: stream, snapshots. Arguments: seq, body."""

READ_SNAPSHOT = Script("""
local found
for _, seq in ipairs(redis.call('HKEYS', KEYS[1])) do
  if tonumber(seq) <= tonumber(ARGV[1]) and (not found or tonumber(seq) > tonumber(found)) then
    found = seq
  end
end
return found and redis.call('HGET', KEYS[1], found)
""")
"""Keys: snapshots. Arguments: seq."""
