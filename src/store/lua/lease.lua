-- ARGV: worker, maximum, name of this call, lease time (ms), attempts allowed, time to live (ms),
-- grace (ms), node to wake. Returns {id, token, fields} of each job. A repeated call (the answer was lost) gets
-- the same jobs again.
local worker, max, call, lease_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local call_key = prefix .. ':call:' .. worker
local node = ARGV[8]
local leased = {}
go_on_without_memory()

local last = redis.call('GET', call_key)
if last and string.sub(last, 1, #call + 1) == call .. ' ' then
  for id in string.gmatch(string.sub(last, #call + 2), '%S+') do
    local j = redis.call('HMGET', job_key(id), 'status', 'worker', 'call', 'token')
    if j[1] == 'running' and j[2] == worker and j[3] == call then
      leased[#leased + 1] = {id, j[4], fields_of(id)}
    end
  end
  return leased
end

expire_leases(lease_ms, tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))

local ids = {}
while #leased < max do
  local tenant = redis.call('ZRANGE', ring, 0, 0)[1]
  if not tenant then break end
  local id = redis.call('ZPOPMIN', queue_key(tenant))[1]
  local most = id and redis.call('HGET', job_key(id), 'most')
  if most then redis.call('HINCRBY', bounded, tenant, 1) end
  local following = redis.call('ZRANGE', queue_key(tenant), 0, 0)[1]
  if not following or is_full(following, tenant) then
    redis.call('ZREM', ring, tenant)
  else
    redis.call('ZADD', ring, next_turn(), tenant)
  end
  if id then
    redis.call('HINCRBY', state, 'queued', -1)
    if redis.call('EXISTS', job_key(id)) == 1 then
      local token = lease(id, worker, call, most and tenant)
      leased[#leased + 1] = {id, token, fields_of(id)}
      ids[#ids + 1] = id
    end
  end
end

if #leased > 0 then
  take_entries(worker, #leased)
  redis.call('SET', call_key, call .. ' ' .. table.concat(ids, ' '), 'PX', 2 * lease_ms)
end
if #leased < max then
  redis.call('ZADD', idle, now_ms, node)
  redis.call('PEXPIRE', idle, 60000)
else
  redis.call('ZREM', idle, node)
end
return leased
