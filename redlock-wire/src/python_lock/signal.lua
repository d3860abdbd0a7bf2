if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('EXISTS', KEYS[2]) == 1 then
  return false
end
local pushed = redis.pcall('RPUSH', KEYS[2], '1')
if type(pushed) == 'table' then
  return pushed
end
if redis.pcall('PEXPIRE', KEYS[2], ARGV[1]) ~= 1 then
  redis.pcall('DEL', KEYS[2])
end
return {ok = 'OK'}
