if redis.replicate_commands then
  redis.replicate_commands()
end
local time = redis.pcall('TIME')
if time.err then
  return time
end
local now = time[1] * 1000000 + time[2]
local quarantine = tonumber(ARGV[#ARGV])
local closed = 0
if quarantine > 0 then
  local info = redis.pcall('INFO', 'server')
  if type(info) == 'table' then
    return {err = 'NOINFO ' .. info.err}
  end
  local id = string.match(info, 'run_id:(%x+)')
  if not id then
    return {err = 'NOINFO the server has no run_id'}
  end
  local epoch = redis.pcall('GET', KEYS[#KEYS])
  if type(epoch) == 'table' then
    return epoch
  end
  local known, since = string.match(epoch or '', '^(%x+) (%d+)$')
  since = tonumber(since or 0)
  if known ~= id or since > now then
    since = now
    local begun = redis.pcall('SET', KEYS[#KEYS], id .. ' ' .. string.format('%.0f', now))
    if begun.err then
      return begun
    end
  end
  closed = quarantine - (now - since)
end
