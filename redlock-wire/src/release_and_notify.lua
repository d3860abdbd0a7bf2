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
local known = redis.pcall('PUBSUB', 'NUMSUB', ARGV[2])
local listeners = tonumber(known[2])
if listeners == 0 and not ARGV[4] then
  return {ok = 'OK'}
end
local told = redis.pcall('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. (listeners or 1))
listeners = listeners or tonumber(told) or 0
if listeners == 0 then
  return {ok = 'OK'}
end
return {'OK', listeners}
