local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
  return value
end
local retention = tonumber(ARGV[5])
local kept = retention > 0 and redis.pcall('GET', KEYS[2])
if type(kept) == 'table' then
  return kept
end
local count = kept and tonumber(string.match(kept, '^%d+$'))
if kept and not count then
  return {err = 'NOCOUNT the counter of the resource is not a number'}
end
if value and count and redis.call('PTTL', KEYS[2]) < retention / 2 then
  redis.pcall('PEXPIRE', KEYS[2], ARGV[5])
end
if value and value ~= ARGV[1] then
  return {'HELD', now, count or -1, redis.call('PTTL', KEYS[1]), value}
end
if closed > 0 then
  return {'QUARANTINED', now, value and 1 or 0, math.ceil(closed / 1000)}
end
if value then
  return {'GRANTED', now, count or -1}
end
local latest = tonumber(ARGV[3])
if latest > 0 and now > latest then
  return {'STALE', now, -1}
end
if retention > 0 then
  local hint = tonumber(ARGV[4])
  if hint > now + 86400000000 then
    hint = 0
  end
  count = math.max(count or now, hint) + 1
  if count > 9007199254740991 then
    return {err = 'NOCOUNT the counter of the resource has reached its end'}
  end
  local counted = redis.pcall('SET', KEYS[2], string.format('%.0f', count), 'PX', string.format('%.0f', retention + ARGV[2]))
  if counted.err then
    return counted
  end
end
local set = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if set.err then
  return set
end
return {'GRANTED', now, count or -1}
