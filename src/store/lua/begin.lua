-- ARGV: id, tenant, priority, language, created (ns), submission, worker, bound of the tenant's running
-- jobs (0: none). Stores a job as running; returns {id, token, fields}.
local id, tenant, worker, most = ARGV[1], ARGV[2], ARGV[7], ARGV[8]
if redis.call('EXISTS', job_key(id)) == 1 then return 'conflict' end
if most ~= '0' and tonumber(redis.call('HGET', bounded, tenant) or 0) >= tonumber(most) then
  return 'tenant busy'
end
add(id, tenant, ARGV[3], ARGV[4], ARGV[5], ARGV[6], most)
if most ~= '0' then redis.call('HINCRBY', bounded, tenant, 1) end
local token = lease(id, worker, '', most ~= '0' and tenant)
take_entries(worker, 1)
return {id, token, fields_of(id)}
