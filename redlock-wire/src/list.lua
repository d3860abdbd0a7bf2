local page = redis.pcall('SCAN', ARGV[2], 'MATCH', ARGV[1], 'COUNT', ARGV[3])
if page.err then
  return page
end
local most = tonumber(ARGV[4])
local answer = {page[1]}
for _, key in ipairs(page[2]) do
  local value = redis.pcall('GETRANGE', key, 0, most)
  local why = type(value) == 'table' and value.err or ''
  if string.find(why, 'non local key', 1, true) then
    return {err = 'READONLY it has keys that another server of the cluster must tell of'}
  end
  if string.find(why, 'cluster is down', 1, true) then
    return {err = 'CLUSTERDOWN it has keys that it may not tell of'}
  end
  if type(value) == 'string' and #value > 0 and #value <= most then
    local left = redis.pcall('PTTL', key)
    if type(left) == 'number' and (left >= 0 or left == -1 and ARGV[5] == '1') then
      answer[#answer + 1] = key
      answer[#answer + 1] = value
      answer[#answer + 1] = left
    end
  end
end
return answer
