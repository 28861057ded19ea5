-- ARGV: tenant, language, status ('' each: any), place to begin before ('': the newest), place to
-- end at, limit, records to look at. Returns {place of the last record looked at or '', jobs as
-- {id, fields}}. The place of another tenant's job is told without its id.
local from = ARGV[4] == '' and '+' or '(' .. ARGV[4]
local limit, budget = tonumber(ARGV[6]), tonumber(ARGV[7])
local members = redis.call('ZREVRANGEBYLEX', all, from, '[' .. ARGV[5], 'LIMIT', 0, budget + 1)
local jobs, place = {}, ''
for i, member in ipairs(members) do
  if i > budget or #jobs == limit then return {place, jobs} end
  local id = string.sub(member, 21)
  local f = redis.call('HMGET', job_key(id), 'status', 'tenant', 'prio', 'created', 'started',
    'finished', 'attempts', 'lang', 'error', 'lost', 'run')
  local own = f[1] and (ARGV[1] == '' or f[2] == ARGV[1])
  place = own and member or string.sub(member, 1, 20)
  if own and (ARGV[2] == '' or f[8] == ARGV[2]) and
    (ARGV[3] == '' or f[1] == ARGV[3]) then
    -- The places of submission, result and usage stay empty.
    jobs[#jobs + 1] = {id, {f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], false, false, f[9],
      f[10], f[11], false}}
  end
end
return {'', jobs}
