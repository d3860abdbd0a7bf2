local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
  return value
end
if value == '' then
  return {err = 'WRONGTYPE the value is empty, so no lock made it'}
end
if value then
  local deleted = redis.pcall('DEL', KEYS[1])
  if type(deleted) == 'table' then
    return deleted
  end
end
redis.pcall('DEL', KEYS[2])
redis.pcall('RPUSH', KEYS[2], '1')
if redis.pcall('PEXPIRE', KEYS[2], ARGV[1]) ~= 1 then
  redis.pcall('DEL', KEYS[2])
end
return value and {value, 0}
