if redis.replicate_commands then
  redis.replicate_commands()
end
local time = redis.pcall('TIME')
if time.err then
  return time
end
local now = time[1] * 1000000 + time[2]
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
  return value
end
local kept = redis.pcall('GET', KEYS[2])
if type(kept) == 'table' then
  return kept
end
local count = kept and tonumber(string.match(kept, '^%d+$'))
if kept and not count then
  return {err = 'NOCOUNT the counter of the resource is not a number'}
end
local retention = tonumber(ARGV[5])
if value then
  local left = redis.call('PTTL', KEYS[1])
  if count and redis.call('PTTL', KEYS[2]) < retention / 2 then
    redis.pcall('PEXPIRE', KEYS[2], ARGV[5])
  end
  if value == ARGV[1] then
    return {'GRANTED', now, count or -1}
  end
  return {'HELD', now, count or -1, left, value}
end
local latest = tonumber(ARGV[3])
if latest > 0 and now > latest then
  return {'STALE', now, -1}
end
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
local set = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if set.err then
  return set
end
return {'GRANTED', now, count}
