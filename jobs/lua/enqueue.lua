-- KEYS: job, queue, rq's set of queues, doorbell, idempotency or '', then the histories that it is part of.
-- ARGV: id, queue limit, ttl, now in ms, digest of the request, API key that asks or '', then fields and values of the job hash.
-- Histories keep twice the ttl, since a prediction is kept for its ttl after it ended, and may have waited before.
-- Answers {'created'}, {'full'}, {'revoked'} for a key that is none any more, or {'exists', id, digest} for a job of this id or a request of this idempotency key.

local job, queue, queues, doorbell, idempotency = unpack(KEYS)
local id, limit, ttl, now, digest, owner = unpack(ARGV)
if owner ~= '' and redis.call('HEXISTS', API_KEYS, owner) == 0 then return {'revoked'} end
if idempotency ~= '' then
    local earlier = redis.call('HMGET', idempotency, 'id', 'digest')
    if earlier[1] then return {'exists', earlier[1], earlier[2]} end
end
if redis.call('EXISTS', job) == 1 then return {'exists', id, ''} end
if redis.call('LLEN', queue) >= tonumber(limit) then return {'full'} end
redis.call('HSET', job, unpack(ARGV, 7))
redis.call('SADD', queues, queue)
redis.call('RPUSH', queue, id)
if redis.call('LLEN', doorbell) == 0 then redis.call('LPUSH', doorbell, '') end
for place = 6, #KEYS do
    redis.call('ZREMRANGEBYSCORE', KEYS[place], '-inf', now - 2 * ttl * 1000)
    redis.call('ZADD', KEYS[place], now, id)
    redis.call('EXPIRE', KEYS[place], 2 * ttl)
end
if idempotency ~= '' then
    redis.call('HSET', idempotency, 'id', id, 'digest', digest)
    redis.call('EXPIRE', idempotency, ttl)
end
return {'created'}
