local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then
  return value
end
if value ~= ARGV[1] then
  return redis.call('PTTL', KEYS[1])
end
local deleted = redis.pcall('DEL', KEYS[1])
if type(deleted) == 'table' then
  return deleted
end
return {ok = 'OK'}
