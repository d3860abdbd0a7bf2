"""A user of python-redis-lock: each line it reads is an expression, each it writes what came of it."""

import sys

import redis
import redis_lock

# Waiting for a lock must not end because the server is silent meanwhile.
client = redis.StrictRedis(port=int(sys.argv[1]), socket_timeout=None)
names = {"client": client, "redis_lock": redis_lock}
names["lock"] = eval(f"redis_lock.Lock(client, 'r', {sys.argv[2]})", names)

for line in sys.stdin:
    try:
        answer = repr(eval(line, names))
    except Exception as error:
        answer = f"raised {type(error).__name__}"
    print(answer, flush=True)
