local released, other, failed = {}, false, false
for place = 1, #KEYS do
  local value = redis.pcall('GET', KEYS[place])
  if value == ARGV[1] then
    value = redis.pcall('DEL', KEYS[place])
    if type(value) ~= 'table' then
      released[#released + 1] = place
    end
  elseif type(value) == 'string' then
    other = KEYS[place]
  end
  if type(value) == 'table' then
    failed = value
  end
end
local listeners = 0
for index = 1, ARGV[2] and #released or 0 do
  local channel = ARGV[3 + released[index]]
  local known = redis.pcall('PUBSUB', 'NUMSUB', channel)
  local count = tonumber(known[2])
  if count ~= 0 or ARGV[3] == '1' then
    local told = redis.pcall('PUBLISH', channel, ARGV[2] .. ' ' .. (count or 1))
    count = count or tonumber(told) or 0
  end
  listeners = listeners + count
end
if failed then
  return failed
end
if other then
  return redis.call('PTTL', other)
end
if #released < #KEYS then
  return false
end
if listeners == 0 then
  return {ok = 'OK'}
end
return {'OK', listeners}
