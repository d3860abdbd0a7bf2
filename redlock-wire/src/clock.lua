return redis.pcall('TIME')
