-- ARGV: id, tenant, priority, language, created (ns), submission, bound of the queue, bounds of the
-- tenant's queued and of its running jobs (0 each: none), 1 when it has a webhook, else 0.
local id, tenant = ARGV[1], ARGV[2]
local job = job_key(id)
if redis.call('EXISTS', job) == 1 then return 'conflict' end
if tonumber(redis.call('HGET', state, 'queued') or 0) >= tonumber(ARGV[7]) then return 'full' end
if ARGV[8] ~= '0' and redis.call('ZCARD', queue_key(tenant)) >= tonumber(ARGV[8]) then
  return 'tenant full'
end
-- First what needs memory: it is refused as a whole when there is none.
redis.call('HSET', job, 'v', 1, 'status', 'queued', 'tenant', tenant, 'prio', ARGV[3],
  'lang', ARGV[4], 'created', ARGV[5], 'sub', ARGV[6])
if ARGV[9] ~= '0' then redis.call('HSET', job, 'most', ARGV[9]) end
if ARGV[10] == '1' then redis.call('HSET', job, 'hook', 0) end
local seq = redis.call('HINCRBY', state, 'seq', 1)
redis.call('HSET', job, 'seq', seq)
redis.call('ZADD', all, 0, place(ARGV[5], id))
enqueue(id, tenant, tonumber(ARGV[3]), seq, next_turn())
for _, key in ipairs({state, all, done}) do redis.call('PERSIST', key) end
wake()
return 'ok'
