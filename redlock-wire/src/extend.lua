local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then
  return value
end
local left = redis.call('PTTL', KEYS[1])
if value ~= ARGV[1] then
  return left
end
if left == -1 or left >= tonumber(ARGV[2]) then
  return {ok = 'OK'}
end
local kept = redis.pcall('PEXPIRE', KEYS[1], ARGV[2])
if type(kept) == 'table' then
  return kept
end
if kept == 0 then
  return false
end
return {ok = 'OK'}
