-- ARGV: worker ('': only asks), what it says of itself ('': it leaves), time (ms) after which a silent
-- one counts as gone. Returns {worker, text} of those alive.
local workers, name, silence_ms = prefix .. ':workers', ARGV[1], tonumber(ARGV[3])
if name ~= '' then
  go_on_without_memory()
  if ARGV[2] == '' then
    redis.call('HDEL', workers, name)
  else
    redis.call('HSET', workers, name, now_ms .. ' ' .. ARGV[2])
    redis.call('PEXPIRE', workers, 10 * silence_ms)
  end
end
local alive = {}
local known = redis.call('HGETALL', workers)
for i = 1, #known, 2 do
  local at, text = string.match(known[i + 1], '^(%d+) (.*)$')
  if at and tonumber(at) + silence_ms > now_ms then
    alive[#alive + 1] = {known[i], text}
  elseif name ~= '' then
    redis.call('HDEL', workers, known[i])
  end
end
return alive
