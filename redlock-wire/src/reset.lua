local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then
  return value
end
if value == '' then
  return {err = 'WRONGTYPE the value is empty, so no lock made it'}
end
local deleted = redis.pcall('DEL', KEYS[1])
if type(deleted) == 'table' then
  return deleted
end
local known = redis.pcall('PUBSUB', 'NUMSUB', ARGV[1])
local listeners = tonumber(known[2])
if listeners ~= 0 or ARGV[3] then
  redis.pcall('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. (listeners or 1))
end
return {value, listeners or 0}
