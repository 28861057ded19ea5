-- ARGV: id, run that the watcher follows (0: none), id of the last entry that it has seen of it.
-- Returns {run, entries} of that run and of the latest one.
local id, known, seen = ARGV[1], ARGV[2], ARGV[3]
local latest = redis.call('HGET', job_key(id), 'run')
local runs = {}
if known ~= '0' then
  runs[1] = {known, redis.call('XRANGE', output_key(id, known), '(' .. seen, '+')}
end
if latest and latest ~= known then
  runs[#runs + 1] = {latest, redis.call('XRANGE', output_key(id, latest), '-', '+')}
end
return runs
