-- ARGV: what to do, then
-- read, revision that the asker knows (or ''): returns {revision, record, ...}, or {revision} when it
--   has that;
-- add, id, record, bound; remove, id: return 'ok', 'conflict', 'full' or 'none';
-- secret, new one: returns the one that there is, which is this when there was none.
-- Keys do not expire.
local keys, revision = prefix .. ':keys', prefix .. ':keys-revision'
local what = ARGV[1]
if what == 'read' then
  local now = redis.call('GET', revision) or '0'
  if now == ARGV[2] then return {now} end
  local answer = {now, 'all'}
  for _, record in ipairs(redis.call('HVALS', keys)) do answer[#answer + 1] = record end
  return answer
elseif what == 'add' then
  if redis.call('HEXISTS', keys, ARGV[2]) == 1 then return 'conflict' end
  if redis.call('HLEN', keys) >= tonumber(ARGV[4]) then return 'full' end
  redis.call('HSET', keys, ARGV[2], ARGV[3])
elseif what == 'remove' then
  go_on_without_memory()
  if redis.call('HDEL', keys, ARGV[2]) == 0 then return 'none' end
else
  redis.call('SETNX', prefix .. ':secret', ARGV[2])
  return redis.call('GET', prefix .. ':secret')
end
redis.call('INCR', revision)
return 'ok'
