if redis.replicate_commands then
  redis.replicate_commands()
end
local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then
  return value
end
if value ~= ARGV[1] then
  return redis.call('PTTL', KEYS[1])
end
local time = redis.pcall('TIME')
if time.err then
  return time
end
local now = time[1] * 1000000 + time[2]
local kept = redis.pcall('GET', KEYS[2])
if type(kept) == 'table' then
  return kept
end
local count = now
if kept then
  count = tonumber(string.match(kept, '^%d+$'))
  if not count then
    return {err = 'NOCOUNT the counter of the resource is not a number'}
  end
end
count = math.max(count, tonumber(ARGV[2]))
local counted = redis.pcall('SET', KEYS[2], string.format('%.0f', count), 'PX', ARGV[3])
if counted.err then
  return counted
end
return {'GRANTED', now, count}
