-- ARGV: id, token, lease time (ms).
local j = redis.call('HMGET', job_key(ARGV[1]), 'status', 'token', 'worker', 'entry', 'cancel')
if j[1] ~= 'running' or j[2] ~= ARGV[2] then return 'conflict' end
redis.call('XCLAIM', run, group, j[3], 0, j[4], 'JUSTID')
expire_in(output_key(ARGV[1], ARGV[2]), 2 * ARGV[3] + output_retention_ms)
return j[5] and 'cancel' or 'ok'
