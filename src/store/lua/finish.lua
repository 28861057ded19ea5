-- ARGV: id, token, status, finished (ns; 0: now), time to live (ms), result, error, then output to append.
local id, token = ARGV[1], ARGV[2]
local job = job_key(id)
local j = redis.call('HMGET', job, 'status', 'token', 'entry', 'tenant', 'run')
if j[2] ~= token then
  -- The first answer may have been lost: the same outcome again is no conflict.
  if j[5] == token and j[1] == ARGV[3] then
    local was = redis.call('HMGET', job, 'result', 'error', 'finished')
    if (was[1] or '') == ARGV[6] and (was[2] or '') == ARGV[7] and was[3] == ARGV[4] then
      return 'ok'
    end
  end
  return 'conflict'
end
go_on_without_memory()
if j[1] == 'running' then
  drop_lease(id, j[3], token)
else
  unqueue(id, j[4])
  redis.call('HSET', job, 'started', redis.call('HGET', job, 'began') or now_ns)
end
append_output(id, token, ARGV, 8, output_retention_ms)
local more = {}
if ARGV[6] ~= '' then more = {'result', ARGV[6]} end
if ARGV[7] ~= '' then more = {'error', ARGV[7]} end
local finished = ARGV[4] == '0' and now_ns or ARGV[4]
conclude(id, ARGV[3], finished, tonumber(ARGV[5]), more)
return 'ok'
