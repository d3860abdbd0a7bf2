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
redis.pcall('DEL', KEYS[2])
redis.pcall('RPUSH', KEYS[2], '1')
if redis.pcall('PEXPIRE', KEYS[2], ARGV[2]) ~= 1 then
  redis.pcall('DEL', KEYS[2])
end
return {ok = 'OK'}
