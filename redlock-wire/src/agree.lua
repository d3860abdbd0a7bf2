local there = redis.pcall('GET', KEYS[1])
if type(there) == 'table' then
  return there
end
if not there then
  local set = redis.pcall('SET', KEYS[1], ARGV[1])
  if set.err then
    return set
  end
  there = ARGV[1]
end
return {there, 0}
