-- ARGV: id, token, time to live (ms), then output to append.
local id, token = ARGV[1], ARGV[2]
local job = job_key(id)
local j = redis.call('HMGET', job, 'status', 'token', 'entry', 'tenant', 'seq', 'cancel')
if j[1] ~= 'running' or j[2] ~= token then return 'conflict' end
go_on_without_memory()
drop_lease(id, j[3], token)
append_output(id, token, ARGV, 4, output_retention_ms)
redis.call('HINCRBY', job, 'attempts', -1)
redis.call('HDEL', job, 'token')
if put_back(id, j[4], j[5], j[6], tonumber(ARGV[3])) then wake() end
return 'ok'
