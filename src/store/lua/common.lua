-- Every script begins with this file. KEYS[1] is the deployment's prefix in braces, so that all keys
-- share one slot. docs/decisions/0005-redis-store.md says what the keys hold.
local prefix = KEYS[1]
local state, ring, all = prefix .. ':state', prefix .. ':ring', prefix .. ':all'
local done, run, idle = prefix .. ':done', prefix .. ':run', prefix .. ':idle'
local bounded, hooks = prefix .. ':bounded', prefix .. ':hooks'
local group = 'workers'

-- The server's clock; what nodes think of the time decides nothing.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local now_ns = time[1] .. string.format('%06d', time[2]) .. '000'

local output_retention_ms = 5000
local structure_margin_ms = 60000

local function job_key(id) return prefix .. ':job:' .. id end
local function queue_key(tenant) return prefix .. ':q:' .. tenant end
local function output_key(id, token) return prefix .. ':out:' .. id .. ':' .. token end

-- Its place in the list of all jobs, which is sorted as text: by time of creation, then by id.
local function place(created, id) return string.rep('0', 20 - #created) .. created .. id end

-- The hash's fields that readers get, in the order that redis_jobs.cc knows.
local function fields_of(id)
  return redis.call('HMGET', job_key(id), 'status', 'tenant', 'prio', 'created', 'started',
    'finished', 'attempts', 'lang', 'sub', 'result', 'error', 'lost', 'run', 'usage')
end

-- A Redis without memory refuses a script before its first change only. Those that drain the queue
-- and store results begin with a change that needs none, so that they go on.
local function go_on_without_memory() redis.call('UNLINK', prefix .. ':none') end

-- Redis still has a key in the millisecond in which its time is over.
local function expire_in(key, ms) redis.call('PEXPIRE', key, ms - 1) end

local function changed(id) redis.call('PUBLISH', prefix .. ':changed', id) end

-- Tells one idle worker that there is work; all of them when none is known to be idle.
local function wake()
  for _ = 1, 16 do
    local node = redis.call('ZPOPMAX', idle)[1]
    if not node then break end
    if redis.call('PUBLISH', prefix .. ':wake:' .. node, '') > 0 then return end
  end
  redis.call('PUBLISH', prefix .. ':queued', '')
end

-- Keys that belong to no single job expire when nothing is queued or running; `submit` persists
-- them.
local function settle(ttl_ms)
  local counts = redis.call('HMGET', state, 'queued', 'running')
  if tonumber(counts[1] or 0) > 0 or tonumber(counts[2] or 0) > 0 then return end
  local ttl = ttl_ms + structure_margin_ms
  for _, key in ipairs({state, all, done}) do
    if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
  end
end

-- Given-back jobs come before all priorities; 2^40 submissions fit between two classes.
local returned_class = 100

-- Whether as many jobs of the tenant run as may, as the job has it.
local function is_full(id, tenant)
  local most = redis.call('HGET', job_key(id), 'most')
  return most and tonumber(redis.call('HGET', bounded, tenant) or 0) >= tonumber(most)
end

local function enqueue(id, tenant, class, seq, turn)
  redis.call('ZADD', queue_key(tenant), seq - class * 1099511627776, id)
  redis.call('HINCRBY', state, 'queued', 1)
  if not redis.call('ZSCORE', ring, tenant) and not is_full(id, tenant) then
    redis.call('ZADD', ring, turn, tenant)
  end
end

local function next_turn() return redis.call('HINCRBY', state, 'turn', 1) end

local function unqueue(id, tenant)
  redis.call('ZREM', queue_key(tenant), id)
  redis.call('HINCRBY', state, 'queued', -1)
  if redis.call('EXISTS', queue_key(tenant)) == 0 then redis.call('ZREM', ring, tenant) end
end

-- A job of a tenant with a bound does not run any more: another may.
local function drop_bounded(tenant)
  if redis.call('HINCRBY', bounded, tenant, -1) <= 0 then redis.call('HDEL', bounded, tenant) end
  if redis.call('EXISTS', queue_key(tenant)) == 1 and not redis.call('ZSCORE', ring, tenant) then
    redis.call('ZADD', ring, next_turn(), tenant)
    wake()
  end
end

-- `tenant`: what the entry has as `bounded`, if anything.
local function drop_entry(entry, tenant)
  redis.call('XACK', run, group, entry)
  redis.call('XDEL', run, entry)
  if redis.call('XLEN', run) == 0 then redis.call('DEL', run, bounded) end
  redis.call('HINCRBY', state, 'running', -1)
  if tenant then drop_bounded(tenant) end
end

-- Stores a new record, queued nowhere yet; returns its number among all. `most`: how many jobs of the
-- tenant may run, '0' for no bound. First what needs memory: it is refused as a whole when there is
-- none.
local function add(id, tenant, prio, lang, created, submission, most)
  local job = job_key(id)
  redis.call('HSET', job, 'v', 1, 'status', 'queued', 'tenant', tenant, 'prio', prio,
    'lang', lang, 'created', created, 'sub', submission)
  if most ~= '0' then redis.call('HSET', job, 'most', most) end
  local seq = redis.call('HINCRBY', state, 'seq', 1)
  redis.call('HSET', job, 'seq', seq)
  redis.call('ZADD', all, 0, place(created, id))
  for _, key in ipairs({state, all, done}) do redis.call('PERSIST', key) end
  return seq
end

-- Makes the job running under a new token, which it returns. The entry is `worker`'s once that has
-- read it. `tenant`: that of a job with a bound, which counts it already.
local function lease(id, worker, call, tenant)
  local job = job_key(id)
  if redis.call('EXISTS', run) == 0 then
    redis.call('XGROUP', 'CREATE', run, group, '$', 'MKSTREAM')
  end
  local token = redis.call('HINCRBY', state, 'token', 1)
  local entry = tenant and redis.call('XADD', run, '*', 'id', id, 'bounded', tenant)
    or redis.call('XADD', run, '*', 'id', id)
  redis.call('HSET', job, 'status', 'running', 'started', now_ns, 'token', token, 'run', token,
    'worker', worker, 'entry', entry, 'call', call)
  redis.call('HINCRBY', job, 'attempts', 1)
  redis.call('HINCRBY', state, 'running', 1)
  changed(id)
  return tostring(token)
end

-- The group's list of pending entries is the list of leases: this worker owns the new ones now.
local function take_entries(worker, count)
  redis.call('XREADGROUP', 'GROUP', group, worker, 'COUNT', count, 'STREAMS', run, '>')
end

-- Ends the ownership of a running job.
local function drop_lease(id, entry, token)
  local j = redis.call('HMGET', job_key(id), 'most', 'tenant')
  drop_entry(entry, j[1] and j[2])
  expire_in(output_key(id, token), output_retention_ms)
end

-- The job reaches a final status. `more`: further fields and values.
local function conclude(id, status, finished_ns, ttl_ms, more)
  local job = job_key(id)
  redis.call('HSET', job, 'status', status, 'finished', finished_ns, unpack(more))
  redis.call('HDEL', job, 'token', 'worker', 'entry', 'call', 'cancel', 'began', 'usage')
  expire_in(job, ttl_ms)
  redis.call('ZADD', done, now_ms + ttl_ms, place(redis.call('HGET', job, 'created'), id))
  if redis.call('HEXISTS', job, 'hook') == 1 then redis.call('ZADD', hooks, now_ms, id) end
  settle(ttl_ms)
  changed(id)
end

-- The job is to run again, before others of its tenant. Returns false when it is to be cancelled.
local function put_back(id, tenant, seq, cancel, ttl_ms)
  if cancel then
    conclude(id, 'cancelled', now_ns, ttl_ms, {})
    return false
  end
  local job = job_key(id)
  -- Should the last holder finish it after all, it began then.
  redis.call('HSET', job, 'status', 'queued', 'began',
    redis.call('HGET', job, 'started') or now_ns)
  redis.call('HDEL', job, 'started', 'worker', 'entry', 'call', 'usage')
  -- It has had its turn already: its tenant does not wait for another.
  local first = redis.call('ZRANGE', ring, 0, 0, 'WITHSCORES')
  enqueue(id, tenant, returned_class, seq, (first[2] or next_turn()) - 1)
  changed(id)
  return true
end

-- Takes the jobs away from workers that gave no sign of life for lease_ms. Looks at most twice a
-- second, whoever asks. When nobody has looked for a while, Redis itself may have been away:
-- workers get grace_ms to renew what they hold.
local function expire_leases(lease_ms, max_attempts, ttl_ms, grace_ms)
  if redis.call('EXISTS', run) == 0 then return end
  local looked = redis.call('HMGET', state, 'looked', 'grace')
  local last = tonumber(looked[1] or 0)
  if now_ms >= last and now_ms < last + 500 then return end
  redis.call('HSET', state, 'looked', now_ms)
  if grace_ms > 0 and last > 0 and now_ms > last + 2000 then
    redis.call('HSET', state, 'grace', now_ms + grace_ms)
    return
  end
  if now_ms < tonumber(looked[2] or 0) then return end
  local cursor, woken = '0-0', false
  repeat
    local claimed = redis.call('XAUTOCLAIM', run, group, '-', lease_ms, cursor, 'COUNT', 100)
    cursor = claimed[1]
    for _, entry in ipairs(claimed[2]) do
      local id = entry[2][2]
      local j = redis.call('HMGET', job_key(id), 'entry', 'token', 'tenant', 'seq', 'attempts',
        'cancel')
      if j[1] ~= entry[1] then  -- its record is gone: evicted, or deleted by hand
        drop_entry(entry[1], entry[2][4])
        settle(ttl_ms)
      else
        drop_lease(id, entry[1], j[2])
        if not j[6] and tonumber(j[5]) >= max_attempts then
          conclude(id, 'failed', now_ns, ttl_ms, {'lost', j[5]})
        else
          -- The token stays: whoever held the job may still finish it until another leases it.
          woken = put_back(id, j[3], j[4], j[6], ttl_ms) or woken
        end
      end
    end
  until cursor == '0-0' or redis.call('EXISTS', run) == 0
  if woken then wake() end
end

-- Appends chunks of output to what watchers read; args[i..]: stream, offset, data, and so on.
local function append_output(id, token, args, i, keep_ms)
  if i > #args then return end
  local key = output_key(id, token)
  while i + 2 <= #args do
    redis.call('XADD', key, '*', 's', args[i], 'o', args[i + 1], 'd', args[i + 2])
    i = i + 3
  end
  expire_in(key, keep_ms)
  redis.call('PUBLISH', prefix .. ':output', id .. ' ' .. token)
end
