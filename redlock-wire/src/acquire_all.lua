local free = {}
for place = 1, #KEYS do
  local value = redis.pcall('GET', KEYS[place])
  if type(value) == 'table' then
    return value
  end
  if not value then
    free[#free + 1] = KEYS[place]
  elseif value ~= ARGV[1] then
    return {value, redis.call('PTTL', KEYS[place])}
  end
end
for place = 1, #free do
  local set = redis.pcall('SET', free[place], ARGV[1], 'PX', ARGV[2])
  if set.err then
    for before = 1, place - 1 do
      redis.pcall('DEL', free[before])
    end
    return set
  end
end
return {ok = 'OK'}
