-- ARGV: id, token, lease time (ms), then output to append.
local j = redis.call('HMGET', job_key(ARGV[1]), 'status', 'token')
if j[1] == 'running' and j[2] == ARGV[2] then
  append_output(ARGV[1], ARGV[2], ARGV, 4, 2 * ARGV[3] + output_retention_ms)
end
return 'ok'
