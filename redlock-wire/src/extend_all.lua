local gone = false
for place = 1, #KEYS do
  local value = redis.pcall('GET', KEYS[place])
  if type(value) == 'table' then
    return value
  end
  if not value then
    gone = true
  elseif value ~= ARGV[1] then
    return redis.call('PTTL', KEYS[place])
  end
end
if gone then
  return false
end
for place = 1, #KEYS do
  local left = redis.call('PTTL', KEYS[place])
  if left ~= -1 and left < tonumber(ARGV[2]) then
    local kept = redis.pcall('PEXPIRE', KEYS[place], ARGV[2])
    if type(kept) == 'table' then
      return kept
    end
    if kept == 0 then
      return false
    end
  end
end
return {ok = 'OK'}
