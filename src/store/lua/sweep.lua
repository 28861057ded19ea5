-- ARGV: lease time (ms), attempts allowed, time to live (ms), grace (ms).
go_on_without_memory()
expire_leases(tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))

-- Expired records leave the list of all jobs.
local due = redis.call('ZRANGEBYSCORE', done, '-inf', now_ms, 'LIMIT', 0, 2000)
for _, member in ipairs(due) do
  redis.call('ZREM', all, member)
  redis.call('ZREM', done, member)
  -- A job with an idempotency key may have been made anew under its id.
  local id = string.sub(member, 21)
  local created = redis.call('HGET', job_key(id), 'created')
  if created and place(created, id) == member then redis.call('UNLINK', job_key(id)) end
end

-- Consumers of workers that are gone.
local swept = tonumber(redis.call('HGET', state, 'swept') or 0)
if (now_ms < swept or now_ms > swept + 60000) and redis.call('EXISTS', run) == 1 then
  redis.call('HSET', state, 'swept', now_ms)
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', run, group)) do
    local c = {}
    for i = 1, #consumer, 2 do c[consumer[i]] = consumer[i + 1] end
    if c.pending == 0 and c.idle > 600000 then
      redis.call('XGROUP', 'DELCONSUMER', run, group, c.name)
    end
  end
end
return #due
