-- ARGV: name, count, period (ns), wanted. Takes from a rate as job/rate.cc does, in microseconds.
-- Returns {granted, remaining, until all may (us), until one may (us)}.
local key = prefix .. ':rate:' .. ARGV[1]
local count, wanted = tonumber(ARGV[2]), tonumber(ARGV[4])
local each = math.max(1, math.floor(tonumber(ARGV[3]) / count / 1000))
local all = each * count
local now = time[1] * 1000000 + time[2]
local full_at = tonumber(redis.call('GET', key) or 0)
local taken = math.min(math.max(full_at - now, 0), all)
local granted = math.min(math.max(math.floor((all - taken) / each), 0), wanted)
local reset = taken + granted * each
local remaining = math.floor((all - reset) / each)
local retry = remaining > 0 and 0 or each - (all - reset)
if granted > 0 then
  redis.call('SET', key, string.format('%.0f', now + reset), 'PX', math.floor(reset / 1000) + 1)
end
return {granted, remaining, reset, retry}
