if closed > 0 then
  return {'QUARANTINED', now, 0, math.ceil(closed / 1000)}
end
return {'GRANTED', now, -1}
