-- ARGV: id, token, what the run has used so far. Stays with the job until the lease ends.
local job = job_key(ARGV[1])
local j = redis.call('HMGET', job, 'status', 'token')
if j[1] == 'running' and j[2] == ARGV[2] then
  local usage = ARGV[2] .. ' ' .. ARGV[3]
  redis.call('HSET', job, 'usage', usage)
  redis.call('PUBLISH', prefix .. ':usage', ARGV[1] .. ' ' .. usage)
end
return 'ok'
