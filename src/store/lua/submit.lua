-- ARGV: id, tenant, priority, language, created (ns), submission, bound of the queue, bounds of the
-- tenant's queued and of its running jobs (0 each: none), 1 when it has a webhook, else 0.
local id, tenant = ARGV[1], ARGV[2]
if redis.call('EXISTS', job_key(id)) == 1 then return 'conflict' end
if tonumber(redis.call('HGET', state, 'queued') or 0) >= tonumber(ARGV[7]) then return 'full' end
if ARGV[8] ~= '0' and redis.call('ZCARD', queue_key(tenant)) >= tonumber(ARGV[8]) then
  return 'tenant full'
end
local seq = add(id, tenant, ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[9])
if ARGV[10] == '1' then redis.call('HSET', job_key(id), 'hook', 0) end
enqueue(id, tenant, tonumber(ARGV[3]), seq, next_turn())
wake()
return 'ok'
