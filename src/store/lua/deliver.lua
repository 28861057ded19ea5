-- ARGV: what to do, then
-- take, bound, how long they are held (ms): returns {id, failed attempts, fields} of each that is due;
-- postpone, id, failed attempts, pause (ms); settle, id.
-- What is due lies in a sorted set, by the time.
go_on_without_memory()
if ARGV[1] == 'take' then
  local taken = {}
  local due = redis.call('ZRANGEBYSCORE', hooks, '-inf', now_ms, 'LIMIT', 0, tonumber(ARGV[2]))
  for _, id in ipairs(due) do
    local attempts = redis.call('HGET', job_key(id), 'hook')
    if attempts then
      redis.call('ZADD', hooks, now_ms + tonumber(ARGV[3]), id)
      taken[#taken + 1] = {id, attempts, fields_of(id)}
    else  -- its record has expired
      redis.call('ZREM', hooks, id)
    end
  end
  return taken
elseif ARGV[1] == 'postpone' then
  if redis.call('ZSCORE', hooks, ARGV[2]) and redis.call('EXISTS', job_key(ARGV[2])) == 1 then
    redis.call('HSET', job_key(ARGV[2]), 'hook', ARGV[3])
    redis.call('ZADD', hooks, now_ms + tonumber(ARGV[4]), ARGV[2])
  end
else
  redis.call('ZREM', hooks, ARGV[2])
end
return 'ok'
