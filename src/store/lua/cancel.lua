-- ARGV: id, time to live (ms). Returns the fields of the job as it is afterwards.
local id = ARGV[1]
local j = redis.call('HMGET', job_key(id), 'status', 'tenant')
go_on_without_memory()
if j[1] == 'queued' then
  unqueue(id, j[2])
  conclude(id, 'cancelled', now_ns, tonumber(ARGV[2]), {})
elseif j[1] == 'running' then
  redis.call('HSET', job_key(id), 'cancel', 1)
  redis.call('PUBLISH', prefix .. ':cancel', id)
end
return fields_of(id)
